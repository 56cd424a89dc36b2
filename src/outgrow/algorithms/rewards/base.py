"""What a reward is: a price for every rollout of one group, computed from the whole group."""

from abc import abstractmethod
from typing import ClassVar

from pydantic import Field

from ...core.registry import Component
from ...types import GradedGroup


class Reward(Component):
    """One part of a composed reward. weight multiplies what it pays; warm-up holds it at 0 for the first steps, and the gate in
    groups of which a smaller share than `min_solve_rate` is right (length rules that should not make hard problems harder)."""

    needs_judge: ClassVar[bool] = False  # whether it pays by the scores of a judge

    weight: float = Field(default=1.0, description="Factor on the reward.")
    warmup_steps: int = Field(default=0, description="Number of first steps in which the reward is 0.")
    min_solve_rate: float = Field(
        default=0.0, ge=0, le=1, description="The reward is 0 in groups with a smaller share of right answers."
    )

    def weight_for(self, group: GradedGroup) -> float:
        """The weight; 0 in the warm-up, and below the gate."""
        active = group.step > self.warmup_steps and group.right >= self.min_solve_rate * len(group.rollouts)
        return self.weight if active else 0.0

    @abstractmethod
    def compute(self, group: GradedGroup) -> list[float]:
        """One number per rollout, before weight and warm-up."""
