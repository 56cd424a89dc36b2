"""Steps of a run on several devices, simulated event by event: who writes what, and who waits for whom.

Nothing here knows the formulas of `outgrow plan`; tests/test_scale_model.py compares the two.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Group = tuple[int, Sequence[int]]
"""A problem's rollouts: tokens of the prompt, and of each answer."""


@dataclass(frozen=True)
class Costs:
    """What single operations take, in seconds."""

    token: Callable[[int, float], float]
    """One more token for so many rows, which hold so many tokens in all."""
    read: Callable[[int], float]
    """To read so many tokens of prompts at once."""
    learn: Callable[[int], float]
    """One rank, a micro-batch of so many tokens, with what it gathers."""
    call: float
    """To ask an actor for rollouts, and to have them back."""
    hand_over: float
    """To bring what was learned to the actors."""


@dataclass(frozen=True)
class Devices:
    """What a run has. rows: most sequences that an actor writes at once. pass_tokens: most tokens of a micro-batch."""

    actors: int
    ranks: int
    rows: int
    pass_tokens: int
    ahead: bool = False


@dataclass(frozen=True)
class Step:
    """The seconds of a step: of the actor and of the rank that are waited for, and the share of the time that all of them work."""

    write: float
    learn: float
    writing_share: float
    learning_share: float


def deal(weights: Sequence[float], to: int) -> list[list[int]]:
    """Return the indices that each of `to` gets: the heaviest first, each to the one that has least so far."""
    shares: list[list[int]] = [[] for _ in range(to)]
    loads = [(0.0, index) for index in range(to)]
    for index in sorted(range(len(weights)), key=lambda each: -weights[each]):
        load, least = heapq.heappop(loads)
        shares[least].append(index)
        heapq.heappush(loads, (load + weights[index], least))
    return shares


def writing_seconds(groups: Sequence[Group], rows: int, costs: Costs) -> float:
    """Return the seconds in which one actor writes these groups: each starts where a row is free for every answer."""
    waiting, running = list(reversed(groups)), list[tuple[int, int, int]]()  # running: token steps of end and begin, prompt
    now, seconds, held = 0, 0.0, 0  # token steps so far; tokens that the running rows hold
    while waiting or running:
        begun, free = list[Group](), rows - len(running)
        while waiting and (_size(waiting[-1]) <= free or not (running or begun)):
            free -= _size(waiting[-1])
            begun.append(waiting.pop())
        for prompt, lengths in begun:
            for length in lengths:
                heapq.heappush(running, (now + length, now, prompt))
            held += prompt * len(lengths)
        if begun:
            seconds += costs.read(sum(prompt for prompt, _ in begun))
        steps, count = running[0][0] - now, len(running)
        seconds += steps * costs.token(count, held + count * (steps - 1) / 2)
        now, held = now + steps, held + count * steps
        while running and running[0][0] == now:
            _, began, prompt = heapq.heappop(running)
            held -= prompt + now - began
    return seconds


def _size(group: Group) -> int:
    return len(group[1])


def one_step(groups: Sequence[Group], devices: Devices, costs: Costs) -> Step:
    """Return the seconds of a step: its groups are dealt to actors by their number, then micro-batches to ranks by their tokens."""
    shares = deal([float(len(lengths)) for _, lengths in groups], devices.actors)
    written = [costs.call + writing_seconds([groups[index] for index in share], devices.rows, costs) for share in shares]
    batches = microbatches(groups, devices.pass_tokens)
    learned = [sum(costs.learn(batches[index]) for index in share) for share in deal(batches, devices.ranks)]
    return Step(max(written), max(learned), _busy(written), _busy(learned))


def microbatches(groups: Sequence[Group], tokens: int) -> list[int]:
    """Return the tokens of each micro-batch: rollouts in order, a group's prompt once in each that holds some of it."""
    found = [0]
    for prompt, lengths in groups:
        fresh = True
        for length in lengths:
            more = length + (prompt if fresh else 0)
            if found[-1] and found[-1] + more > tokens:
                found.append(0)
                more = length + prompt
            found[-1] += more
            fresh = False
    return found


def run_seconds(steps: Sequence[Step], devices: Devices, costs: Costs) -> float:
    """Return the seconds of all steps. Ahead, a step is written while the one before it is learned from."""
    if not devices.ahead:
        return sum(step.write + step.learn + costs.hand_over for step in steps)
    written, known = 0.0, [0.0, 0.0]  # when the last step was written; when the weights of the last steps were with the actors
    for step in steps:
        written = max(written, known[-2]) + step.write
        known.append(max(written, known[-1]) + step.learn + costs.hand_over)
    return known[-1]


def _busy(seconds: Sequence[float]) -> float:
    return sum(seconds) / (len(seconds) * max(seconds))
