"""GRPO with more weight on what is hard (GRPO-LEAD, arXiv 2504.09696, section 3.2)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..curriculum.evidence import Expected
from .grpo import GRPO


class Difficulty(GRPO):
    """A = w(ρ) / mean w · GRPO's, w(ρ) = low + (high − low) / (1 + exp(steepness · (ρ − middle))).

    ρ is the value of the problem before its group was written (the paper: the group's own share of right answers, whose noise
    would be weighed with it). The mean over the batch's problems is kept at 1, so that weights do not act as a learning rate.
    """

    type: str = "difficulty"
    low: float = 0.4
    high: float = 1.5
    steepness: float = 10.0
    middle: float = 0.75

    def weigh(self, rewards_PG: Tensor, expected_P: Sequence[Expected]) -> Tensor:
        rho_P = rewards_PG.new_tensor([expected.problem for expected in expected_P])
        weights_P = self.low + (self.high - self.low) * torch.sigmoid(-self.steepness * (rho_P - self.middle))
        return super().weigh(rewards_PG, expected_P) * (weights_P / weights_P.mean()).unsqueeze(1)
