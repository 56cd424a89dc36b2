"""A coin for every rollout: a control that shows whether a gain comes from the reward."""

from ...core.rng import python_rng
from ...types import GradedGroup
from .base import Reward


class Random(Reward):
    """0 or 1 with equal chance, whatever the answer; keyed by seed, step and problem."""

    type: str = "random"

    def compute(self, group: GradedGroup) -> list[float]:
        rng = python_rng(group.seed, "random reward", group.step, group.problem.id)
        return [float(rng.random() < 0.5) for _ in group.rollouts]
