"""GRPO with more weight on what is hard (GRPO-LEAD, arXiv 2504.09696, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field, FiniteFloat

from ...types import GradedGroup
from .grpo import GRPO

if TYPE_CHECKING:
    from torch import Tensor


class Difficulty(GRPO):
    """GRPO's advantage times w(ρ) where it is positive and w(1 − ρ) where it is not, divided by the batch's mean of these weights;
    w(ρ) = low + (high − low) / (1 + exp(steepness · (ρ − middle))).

    Success on hard problems earns more, and failure on easy ones costs more. ρ is the value of the problem before its group was
    written (the paper takes the group's own share of right answers, which adds its noise). The mean weight is 1, so that weights
    do not act as a learning rate.
    """

    type: str = "difficulty"
    low: FiniteFloat = Field(default=0.4, description="Smallest weight of a positive advantage, on easy problems.")
    high: FiniteFloat = Field(default=1.5, description="Largest weight of a positive advantage, on hard problems.")
    steepness: FiniteFloat = Field(default=10.0, description="Steepness of the change between the two weights.")
    middle: FiniteFloat = Field(default=0.75, description="Value of the problem at which the weight is halfway.")

    def compute(self, rewards_PG: Tensor, groups: Sequence[GradedGroup]) -> Tensor:
        advantages_PG = super().compute(rewards_PG, groups)
        rho_P1 = rewards_PG.new_tensor([group.expected.problem for group in groups]).unsqueeze(1)
        weights_PG = self._weight(rho_P1).where(advantages_PG > 0, self._weight(1 - rho_P1))
        return advantages_PG * weights_PG / weights_PG.mean()

    def _weight(self, rho_P1: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * (-self.steepness * (rho_P1 - self.middle)).sigmoid()
