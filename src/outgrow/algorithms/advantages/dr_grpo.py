"""Dr. GRPO (arXiv 2503.20783, section 3.2): reward minus group mean, with no division that favours easy and hard problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...types import GradedGroup
from .base import Advantage

if TYPE_CHECKING:
    from torch import Tensor


class DrGRPO(Advantage):
    """A = r − mean. Use with `loss.aggregation = "constant"`."""

    type: str = "dr_grpo"

    def compute(self, rewards_PG: Tensor, groups: Sequence[GradedGroup]) -> Tensor:
        return rewards_PG - rewards_PG.mean(dim=1, keepdim=True)
