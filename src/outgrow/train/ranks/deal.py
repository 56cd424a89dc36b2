"""Which rank computes which microbatch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..microbatches import PromptCompletion, microbatches

_Row = TypeVar("_Row", bound=PromptCompletion)


def deal(groups: Sequence[Sequence[_Row]], tokens: int, ranks: int) -> list[list[list[_Row]]]:
    """Return rounds of one microbatch for each rank; the last round may be shorter. Every row is in one microbatch.

    All ranks wait for the slowest in every round, so there are as few rounds as microbatches of at most `tokens` tokens allow, the
    microbatches are as even as these rounds allow, and those of similar size are in one round.
    """
    most = _in_whole_rounds(len(list(microbatches(groups, tokens))), ranks)
    low, high = 1, tokens  # the least limit that needs no more rounds is in low .. high
    while low < high:
        middle = (low + high) // 2
        if len(list(microbatches(groups, middle))) <= most:
            high = middle
        else:
            low = middle + 1
    parts = sorted(microbatches(groups, high), key=cost, reverse=True)
    rounds = [parts[first : first + ranks] for first in range(0, len(parts), ranks)]
    # The first rank would get the largest of every round.
    return [each[::-1] if place % 2 and len(each) == ranks else each for place, each in enumerate(rounds)]


def _in_whole_rounds(count: int, ranks: int) -> int:
    return -(-count // ranks) * ranks


def cost(rows: Sequence[PromptCompletion]) -> int:
    """Return the tokens of a microbatch: those of each prompt once, and those of all completions."""
    prompts = {tuple(row.prompt_ids) for row in rows}
    return sum(map(len, prompts)) + sum(len(row.completion_ids) for row in rows)
