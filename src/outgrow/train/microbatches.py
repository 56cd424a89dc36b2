"""Microbatches: what is learned from, cut into forward and backward passes that fit into memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..algorithms.advantages.base import RolloutAdvantage
from ..core.callbacks import CheckStop, never_stop
from ..core.oom_backoff import AutoBatchSize
from ..types import Rollout


class PromptCompletion(Protocol):
    """A prompt and its completion, in token ids."""

    @property
    def prompt_ids(self) -> list[int]: ...

    @property
    def completion_ids(self) -> list[int]: ...


_Row = TypeVar("_Row", bound=PromptCompletion)
_T = TypeVar("_T")


@dataclass(frozen=True)
class TrainRow:
    """A rollout of T tokens with what the loss needs of it."""

    rollout: Rollout
    advantage_T: RolloutAdvantage
    """Advantage: one number for all of its tokens, or a tensor (T,)."""
    weight: float
    """Weight of each of its tokens in the loss."""
    old: list[float] | None
    """T log-probabilities that the ratio starts from; None for those that the learner computes in the same pass."""
    rescale: float = 1.0
    """Weight of all rows of the optimizer step over that of the rows learned from; averages over tokens are multiplied by it."""

    @property
    def prompt_ids(self) -> list[int]:
        return self.rollout.prompt_ids

    @property
    def completion_ids(self) -> list[int]:
        return self.rollout.completion_ids


def run_microbatches(
    batch_size: AutoBatchSize,
    groups: Sequence[Sequence[_Row]],
    work: Callable[[list[_Row]], _T],
    check_stop: CheckStop = never_stop,
    undo: Callable[[], None] = lambda: None,
    context: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> list[_T]:
    """Return what `work` returns for each microbatch of these groups, all of it again with smaller ones when memory runs out.

    batch_size: tokens of a microbatch. check_stop: called before each. undo: clears what an attempt that ran out of memory left
    behind. context: entered around each attempt. Raises OutgrowError where memory does not suffice for one row.
    """

    def attempt(tokens: int) -> list[_T]:
        results = []
        with context():
            for rows in microbatches(groups, tokens):
                check_stop()
                results.append(work(rows))
        return results

    return batch_size.run(attempt, *microbatch_bounds([row for group in groups for row in group]), undo)


def microbatches(groups: Sequence[Sequence[_Row]], tokens: int) -> Iterator[list[_Row]]:
    """Yield every row of these groups once, in lists of at most `tokens` tokens, or of one row.

    A group stays together where a microbatch can hold it, since its prompt is computed once a microbatch. Groups of long
    completions come first (memory peaks at once), and rows of similar length together (attention pads them).
    """
    taken: list[_Row] = []
    count = 0
    for group in sorted(groups, key=lambda group: max(_completion(row) for row in group), reverse=True):
        prompt = len(group[0].prompt_ids)
        whole = prompt + sum(map(_completion, group))
        if taken and count + whole > tokens >= whole:
            yield taken
            taken, count = [], 0
        fresh = prompt  # what the prompt adds to this microbatch
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
    """Return the rows in groups of one prompt, in the order of the first row of each."""
    groups: dict[tuple[int, ...], list[_Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.prompt_ids), []).append(row)
    return list(groups.values())


def microbatch_bounds(rows: Sequence[PromptCompletion]) -> tuple[int, int]:
    """Return the tokens of the smallest microbatch that there can be (the longest row), and of one with all rows."""
    tokens = [len(row.prompt_ids) + len(row.completion_ids) for row in rows]
    return max(tokens), sum(tokens)


def _completion(row: PromptCompletion) -> int:
    return len(row.completion_ids)
