"""GRPO (DeepSeekMath, arXiv 2402.03300, section 4.1.2): reward minus group mean, over group standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field, FiniteFloat

from ...types import GradedGroup
from .base import Advantage

if TYPE_CHECKING:
    from torch import Tensor


class GRPO(Advantage):
    """A = (r − mean) / (std + epsilon), std with Bessel's correction."""

    type: str = "grpo"
    epsilon: FiniteFloat = Field(default=1e-4, description="Added to the standard deviation.")

    def compute(self, rewards_PG: Tensor, groups: Sequence[GradedGroup]) -> Tensor:
        centred = rewards_PG - rewards_PG.mean(dim=1, keepdim=True)
        return centred / (rewards_PG.std(dim=1, keepdim=True) + self.epsilon)
