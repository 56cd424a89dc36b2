"""What a reward is: a number for every rollout of one group, computed from the whole group."""

from abc import abstractmethod
from typing import ClassVar

from pydantic import Field, FiniteFloat

from ...core.registry import Component
from ...types import GradedGroup, Problem


class Reward(Component):
    """One part of a composed reward."""

    needs_judge: ClassVar[bool] = False
    """Whether it reads the scores of a judge, so that a recipe with it needs `[judge]`."""
    reads_rows: ClassVar[bool] = False
    """Whether it reads the columns of the data (`Problem.row`), so that problems keep them."""

    weight: FiniteFloat = Field(default=1.0, description="Factor on the reward.")
    warmup_steps: int = Field(default=0, description="Number of first steps in which the reward is 0.")
    min_solve_rate: float = Field(
        default=0.0, ge=0, le=1, description="The reward is 0 in groups with a smaller share of right answers."
    )

    def weight_for(self, group: GradedGroup) -> float:
        """Return the weight; 0 in the warm-up, and in groups below `min_solve_rate`."""
        active = group.step > self.warmup_steps and group.right >= self.min_solve_rate * len(group.rollouts)
        return self.weight if active else 0.0

    def require(self, problem: Problem) -> None:
        """Raise UsageError where it cannot pay for a problem of this kind. Called before the run begins, for each source."""

    @abstractmethod
    def compute(self, group: GradedGroup) -> list[float]:
        """Return one number for each rollout of the group, in order, before weight, warm-up and `min_solve_rate`."""
