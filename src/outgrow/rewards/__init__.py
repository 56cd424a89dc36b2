"""What an answer earns: a recipe lists the parts, their weighted sum is the reward."""

from collections.abc import Sequence

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
    """What each part pays each rollout, weighted; the reward is the sum over parts.

    A part still in its warm-up pays 0.
    """
    return {
        part.type: [part.weight * price if group.step > part.warmup_steps else 0.0 for price in part.pay(group)] for part in rewards
    }
