"""What an answer earns: a recipe lists the parts, their weighted sum is the reward."""

import math
from collections.abc import Sequence

from ..errors import OutgrowError
from .accuracy import Accuracy
from .format import Format
from .length_experiment import LengthExperiment
from .length_kimi import LengthKimi
from .random import Random
from .reward import GradedGroup, Reward

REWARDS: dict[str, type[Reward]] = {
    "accuracy": Accuracy,
    "format": Format,
    "length_experiment": LengthExperiment,
    "length_kimi": LengthKimi,
    "random": Random,
}

__all__ = ["REWARDS", "GradedGroup", "Reward", "compose"]


def compose(rewards: Sequence[Reward], group: GradedGroup) -> dict[str, list[float]]:
    """What each type of part pays each rollout, weighted; the reward is the sum over types.

    A part still in its warm-up pays 0. Raises OutgrowError where a part does not pay one finite number a rollout.
    """
    paid: dict[str, list[float]] = {}
    for part in rewards:
        prices = part.pay(group)
        if len(prices) != len(group.rollouts) or not all(map(math.isfinite, prices)):
            raise OutgrowError(
                f"reward {part.type!r} paid {prices} for {group.problem.id!r}; it must pay one finite number for each of the "
                f"{len(group.rollouts)} rollouts"
            )
        weight = part.weight if group.step > part.warmup_steps else 0.0
        so_far = paid.get(part.type, [0.0] * len(prices))
        paid[part.type] = [total + weight * price for total, price in zip(so_far, prices, strict=True)]
    return paid
