"""Kimi k1.5's length reward (arXiv 2501.12599, section 2.3.3)."""

from ...types import GradedGroup
from .base import Reward
from .length_experiment import length_rewards


class LengthKimi(Reward):
    """λ = 0.5 − (len − min)/(max − min), len in tokens; right pays λ, wrong min(0, λ).

    Set `warmup_steps`: the paper switches it on only after a warm-up without penalty.
    """

    type: str = "length_kimi"

    def compute(self, group: GradedGroup) -> list[float]:
        return length_rewards(group.lengths, [g.right for g in group.graded], offset=0.5)
