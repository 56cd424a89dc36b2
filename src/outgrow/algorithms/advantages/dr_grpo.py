"""Dr. GRPO (arXiv 2503.20783, section 3.2): reward minus group mean, with no division that favours easy and hard problems."""

from collections.abc import Sequence

from torch import Tensor

from ...types import GradedGroup
from .base import Advantage


class DrGRPO(Advantage):
    """A = r − mean. Use with `loss.aggregation = "constant"`."""

    type: str = "dr_grpo"

    def compute(self, rewards_PG: Tensor, groups: Sequence[GradedGroup]) -> Tensor:
        return rewards_PG - rewards_PG.mean(dim=1, keepdim=True)
