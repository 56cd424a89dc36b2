"""Rows that move no weight: those whose advantage is next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from ..algorithms.advantages.base import RolloutAdvantage
from .microbatches import TrainRow


def without_negligible(groups: Sequence[Sequence[TrainRow]], least: float) -> list[list[TrainRow]]:
    """Return the groups of one optimizer step without the rows that have no advantage above `least` times the largest of all.

    The weights of the others stay those among all rows: where the advantage of what goes is 0, the gradient stays the same. Their
    `rescale` makes up for what goes in averages over tokens. Where every advantage is 0, all rows stay.
    """
    sizes = [[_size(row.advantage_T) for row in group] for group in groups]
    limit = least * max(max(row) for row in sizes)
    kept = [[row for row, size in zip(group, of, strict=True) if size > limit] for group, of in zip(groups, sizes, strict=True)]
    kept = [group for group in kept if group]
    all_rows, kept_rows = ([row for group in rows for row in group] for rows in (groups, kept))
    if not kept_rows or len(kept_rows) == len(all_rows):
        return [list(group) for group in groups]
    rescale = _weight(all_rows) / _weight(kept_rows)
    return [[replace(row, rescale=rescale) for row in group] for group in kept]


def _size(advantage: RolloutAdvantage) -> float:
    return float(advantage.abs().max()) if isinstance(advantage, Tensor) else abs(advantage)


def _weight(rows: Sequence[TrainRow]) -> float:
    """Return the weight of all tokens of these rows."""
    return sum(row.weight * len(row.completion_ids) for row in rows)
