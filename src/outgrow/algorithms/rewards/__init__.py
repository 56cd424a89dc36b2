"""Rewards: a recipe lists the parts; their weighted sum is the reward of a rollout."""

from .accuracy import Accuracy
from .base import Reward
from .compose import compose
from .format import Format
from .hero import Hero
from .judge_score import JudgeScore
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
    "judge_score": JudgeScore,
}

__all__ = ["REWARDS", "Reward", "compose"]
