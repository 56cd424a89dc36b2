"""Which rollouts of a step the learner sees: all, or the most informative ones of each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..algorithms.max_variance import max_variance
from ..config.sections import LearnSection
from ..core.rng import python_rng
from ..types import GradedGroup


@dataclass(frozen=True)
class Kept:
    """What the learner sees of some groups."""

    groups: list[GradedGroup]
    """The groups with the kept rollouts only."""
    rewards: list[list[float]]
    """Total reward of each kept rollout."""
    indices: list[list[int]]
    """The kept rollouts' places in the whole groups, in rising order."""
    sizes: list[int]
    """Rollouts of the whole groups."""

    def of_all(self, rows: Sequence[Sequence[float]]) -> list[list[float]]:
        """Return one number for each rollout of the whole groups: that of `rows`, or 0 where it is not kept.

        rows: one number for each kept rollout.
        """
        known = [dict(zip(places, row, strict=True)) for places, row in zip(self.indices, rows, strict=True)]
        return [[row.get(place, 0.0) for place in range(size)] for row, size in zip(known, self.sizes, strict=True)]


def keep_rollouts(
    section: LearnSection, seed: int, groups: Sequence[GradedGroup], rewards: Sequence[Sequence[float]], everything: bool
) -> Kept:
    """Return the rollouts of these groups that are learned from (`learn.keep`, `learn.keep_by`).

    seed: the recipe's. rewards: total reward of each rollout. everything: keep all of them.
    """
    indices = [
        list(range(len(row))) if everything else _kept(section, seed, group, row)
        for group, row in zip(groups, rewards, strict=True)
    ]
    return Kept(
        [_cut(group, places) for group, places in zip(groups, indices, strict=True)],
        [[row[place] for place in places] for row, places in zip(rewards, indices, strict=True)],
        indices,
        [len(group.rollouts) for group in groups],
    )


def _kept(section: LearnSection, seed: int, group: GradedGroup, rewards: Sequence[float]) -> list[int]:
    """Return the places of a group's kept rollouts, in rising order."""
    count = len(group.rollouts)
    if section.keep is None or section.keep >= count:
        return list(range(count))
    if section.keep_by == "random":
        return sorted(python_rng(seed, "keep", group.step, group.problem.id).sample(range(count), section.keep))
    return max_variance(rewards, section.keep)


def _cut(group: GradedGroup, places: Sequence[int]) -> GradedGroup:
    return replace(
        group,
        rollouts=[group.rollouts[place] for place in places],
        graded=[group.graded[place] for place in places],
        scores=tuple(group.scores[place] for place in places) if group.scores else (),
    )
