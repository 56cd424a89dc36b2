"""The reward of a rollout: the weighted sum of the parts that a recipe lists."""

import math
from collections.abc import Sequence

from ...core.errors import OutgrowError
from ...types import GradedGroup
from .base import Reward


def compose(rewards: Sequence[Reward], group: GradedGroup) -> dict[str, list[float]]:
    """Return what each type of part pays each rollout, weighted; the reward is the sum over types.

    A part in its warm-up, or below its `min_solve_rate`, pays 0. Raises OutgrowError where a part does not pay one finite number
    for each rollout.
    """
    paid: dict[str, list[float]] = {}
    for part in rewards:
        prices = part.compute(group)
        if len(prices) != len(group.rollouts) or not all(map(math.isfinite, prices)):
            raise OutgrowError(
                f"reward {part.type!r} paid {prices} for {group.problem.id!r}; it must pay one finite number for each of the "
                f"{len(group.rollouts)} rollouts"
            )
        weight = part.weight_for(group)
        so_far = paid.get(part.type, [0.0] * len(prices))
        paid[part.type] = [total + weight * price for total, price in zip(so_far, prices, strict=True)]
    return paid
