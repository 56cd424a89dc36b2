"""How what is learned from is cut into forward and backward passes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..types import Rollout


class PromptCompletion(Protocol):
    """A prompt and what goes on from it, in token ids."""

    @property
    def prompt_ids(self) -> list[int]: ...

    @property
    def completion_ids(self) -> list[int]: ...


_Row = TypeVar("_Row", bound=PromptCompletion)


@dataclass(frozen=True)
class TrainRow:
    """A rollout with its advantage.

    weight: how much each of its tokens counts in the loss. old: log-probabilities that the ratio starts from, one a token; None
    for those that the learner computes in this very pass.
    """

    rollout: Rollout
    advantage: float
    weight: float
    old: list[float] | None

    @property
    def prompt_ids(self) -> list[int]:
        return self.rollout.prompt_ids

    @property
    def completion_ids(self) -> list[int]:
        return self.rollout.completion_ids


def microbatches(groups: Sequence[Sequence[_Row]], tokens: int) -> Iterator[list[_Row]]:
    """Every row of these groups once, with at most `tokens` tokens in a pass, one row at least.

    A group stays together where a pass can hold it, since its prompt is computed once a pass. Groups of long completions come
    first (memory peaks at once), and rows of like length together (attention pads them).
    """
    taken: list[_Row] = []
    count = 0
    for group in sorted(groups, key=lambda group: max(_completion(row) for row in group), reverse=True):
        prompt = len(group[0].prompt_ids)
        whole = prompt + sum(map(_completion, group))
        if taken and count + whole > tokens >= whole:
            yield taken
            taken, count = [], 0
        fresh = prompt  # what the prompt adds to this pass
        for row in sorted(group, key=_completion, reverse=True):
            if taken and count + fresh + _completion(row) > tokens:
                yield taken
                taken, count, fresh = [], 0, prompt
            taken.append(row)
            count += fresh + _completion(row)
            fresh = 0
    if taken:
        yield taken


def by_prompt(rows: Sequence[_Row]) -> list[list[_Row]]:
    """Groups of those that go on from the same prompt, in the order of their first ones."""
    groups: dict[tuple[int, ...], list[_Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.prompt_ids), []).append(row)
    return list(groups.values())


def microbatch_bounds(rows: Sequence[PromptCompletion]) -> tuple[int, int]:
    """Tokens of the smallest pass that there can be, over the longest row alone, and of one over all of them."""
    tokens = [len(row.prompt_ids) + len(row.completion_ids) for row in rows]
    return max(tokens), sum(tokens)


def _completion(row: PromptCompletion) -> int:
    return len(row.completion_ids)
