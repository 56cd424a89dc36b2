"""RLOO (arXiv 2402.14740, equation 8): reward minus the mean of the other rollouts in the group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...types import GradedGroup
from .base import Advantage

if TYPE_CHECKING:
    from torch import Tensor


class RLOO(Advantage):
    """A_i = r_i − mean of r_j over j ≠ i, which is n/(n − 1) · (r_i − mean). Needs at least two rollouts a group."""

    type: str = "rloo"

    def compute(self, rewards_PG: Tensor, groups: Sequence[GradedGroup]) -> Tensor:
        n = rewards_PG.shape[1]
        others = (rewards_PG.sum(dim=1, keepdim=True) - rewards_PG) / (n - 1)
        return rewards_PG - others
