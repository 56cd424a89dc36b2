"""What an answer earns: a recipe lists the parts, their weighted sum is the reward."""

import math
from collections.abc import Sequence

from ...core.errors import OutgrowError
from .accuracy import Accuracy
from .base import GradedGroup, Reward
from .format import Format
from .hero import Hero
from .judge_score import Teacher
from .length_alp import LengthALP
from .length_efficient import LengthEfficient
from .length_experiment import LengthExperiment
from .length_hapo import LengthHAPO
from .length_kimi import LengthKimi
from .length_l1_max import LengthL1Max
from .length_overlong import LengthOverlong
from .level_bonus import LevelBonus
from .random import Random

REWARDS: dict[str, type[Reward]] = {
    "accuracy": Accuracy,
    "format": Format,
    "hero": Hero,
    "length_alp": LengthALP,
    "length_efficient": LengthEfficient,
    "length_experiment": LengthExperiment,
    "length_hapo": LengthHAPO,
    "length_kimi": LengthKimi,
    "length_l1_max": LengthL1Max,
    "length_overlong": LengthOverlong,
    "level_bonus": LevelBonus,
    "random": Random,
    "teacher": Teacher,
}

__all__ = ["REWARDS", "GradedGroup", "Reward", "compose"]


def compose(rewards: Sequence[Reward], group: GradedGroup) -> dict[str, list[float]]:
    """What each type of part pays each rollout, weighted; the reward is the sum over types.

    A part still in its warm-up, or below its gate, pays 0. Raises OutgrowError where a part does not pay one finite number a
    rollout.
    """
    paid: dict[str, list[float]] = {}
    for part in rewards:
        prices = part.pay(group)
        if len(prices) != len(group.rollouts) or not all(map(math.isfinite, prices)):
            raise OutgrowError(
                f"reward {part.type!r} paid {prices} for {group.problem.id!r}; it must pay one finite number for each of the "
                f"{len(group.rollouts)} rollouts"
            )
        weight = part.weight_for(group)
        so_far = paid.get(part.type, [0.0] * len(prices))
        paid[part.type] = [total + weight * price for total, price in zip(so_far, prices, strict=True)]
    return paid
