"""The advantage of every rollout of a step, checked."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...core.errors import OutgrowError
from ...types import GradedGroup
from .base import EQUAL_REWARDS, Advantage, RolloutAdvantage


def rollout_advantages(
    advantage: Advantage, rewards: Sequence[Sequence[float]], groups: Sequence[GradedGroup], weight: float = 1.0
) -> list[list[RolloutAdvantage]]:
    """Return `weight` times the advantage of each rollout of these groups, in order; see `Advantage.compute`.

    rewards: total reward of each rollout. Raises OutgrowError, naming the type, where an advantage has not the shape that
    `compute` promises, or is not finite.
    """
    if not groups:
        return []
    rewards_PG = torch.tensor(rewards)
    if advantage.skips_equal_rewards and rewards_PG.max() - rewards_PG.min() <= EQUAL_REWARDS:
        # An advantage with a memory would weigh even these, but only blame, or only praise, does not say which way to go.
        return [[0.0] * len(row) for row in rewards]
    computed = advantage.compute(rewards_PG, groups)
    if isinstance(computed, Tensor):
        _check(advantage, "of all rollouts", computed, tuple(rewards_PG.shape))
        rows: list[list[RolloutAdvantage]] = (weight * computed).tolist()
        return rows
    if not isinstance(computed, list) or not all(isinstance(row, list) for row in computed):
        raise OutgrowError(f"advantage {advantage.type!r} returned neither a tensor nor a list of tensors for each group")
    if [len(row) for row in computed] != [len(group.rollouts) for group in groups]:
        raise OutgrowError(
            f"advantage {advantage.type!r} returned lists of {[len(row) for row in computed]} rollouts for groups of "
            f"{[len(group.rollouts) for group in groups]}"
        )
    for group, row in zip(groups, computed, strict=True):
        for index, (length, advantage_T) in enumerate(zip(group.lengths, row, strict=True)):
            _check(advantage, f"of rollout {index} of {group.problem.id!r}", advantage_T, (length,))
    return [[weight * advantage_T for advantage_T in row] for row in computed]


def mean_advantage(advantage: RolloutAdvantage) -> float:
    """Return the advantage of a rollout, averaged over its tokens where it has one for each."""
    return float(advantage.mean()) if isinstance(advantage, Tensor) else advantage


def _check(advantage: Advantage, whose: str, value: object, shape: tuple[int, ...]) -> None:
    if not isinstance(value, Tensor):
        raise OutgrowError(f"advantage {advantage.type!r}: what it returned {whose} is not a tensor, but {type(value).__name__}")
    if tuple(value.shape) != shape:
        raise OutgrowError(f"advantage {advantage.type!r}: the tensor {whose} has shape {tuple(value.shape)}; it must be {shape}")
    if not bool(value.isfinite().all()):
        raise OutgrowError(f"advantage {advantage.type!r}: the tensor {whose} is not finite")
