"""Advantages: from the rewards of groups to the weight of every rollout, or of every token."""

from .base import Advantage
from .difficulty import Difficulty
from .dr_grpo import DrGRPO
from .grpo import GRPO
from .rloo import RLOO
from .rpe import RewardPredictionError

ADVANTAGES: dict[str, type[Advantage]] = {
    "grpo": GRPO,
    "dr_grpo": DrGRPO,
    "rloo": RLOO,
    "difficulty": Difficulty,
    "rpe": RewardPredictionError,
}

__all__ = ["ADVANTAGES", "Advantage"]
