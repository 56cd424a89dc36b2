"""A budget of tokens (L1-max, arXiv 2503.04697, section 3)."""

from pydantic import Field, FiniteFloat

from ...types import GradedGroup
from .base import Reward


class LengthL1Max(Reward):
    """clip(α · (budget − tokens) + δ, 0, 1) − 1 to a right answer, 0 to a wrong one.

    Together with accuracy it is the paper's reward, 1[right] · clip(…).
    """

    type: str = "length_l1_max"
    budget: int = Field(default=1000, ge=1, description="Length budget in tokens.")
    alpha: FiniteFloat = Field(
        default=3e-4, gt=0, description="Reward for each token below the budget; the paper's value is for budgets of thousands."
    )
    delta: FiniteFloat = Field(default=0.5, description="Reward of an answer that takes the whole budget, before the shift by −1.")

    def compute(self, group: GradedGroup) -> list[float]:
        paid = (min(1.0, max(0.0, self.alpha * (self.budget - length) + self.delta)) for length in group.lengths)
        return [grade.right * (price - 1) for price, grade in zip(paid, group.graded, strict=True)]
