"""How the rollouts of an update are cut into forward and backward passes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..rollout import Rollout


@dataclass(frozen=True)
class Row:
    """A rollout with its advantage.

    weight: how much each of its tokens counts in the loss. old: log-probabilities that the ratio starts from, one a token; None
    for those that the learner computes in this very pass.
    """

    rollout: Rollout
    advantage: float
    weight: float
    old: list[float] | None


def passes(groups: Sequence[Sequence[Row]], tokens: int) -> Iterator[list[Row]]:
    """Every row of these groups once, with at most `tokens` tokens in a pass, one row at least.

    A group stays together where a pass can hold it, since its prompt is computed once a pass. Groups of long completions come
    first (memory peaks at once), and rows of like length together (attention pads them).
    """
    taken: list[Row] = []
    count = 0
    for group in sorted(groups, key=lambda group: max(_completion(row) for row in group), reverse=True):
        prompt = len(group[0].rollout.prompt_ids)
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


def bounds(rollouts: Sequence[Rollout]) -> tuple[int, int]:
    """Tokens of the smallest pass that there can be, over the longest rollout alone, and of one over all of them."""
    tokens = [len(r.prompt_ids) + len(r.completion_ids) for r in rollouts]
    return max(tokens), sum(tokens)


def _completion(row: Row) -> int:
    return len(row.rollout.completion_ids)
