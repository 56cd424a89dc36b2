"""The clipped policy loss (PPO, arXiv 1707.06347, equation 7), with a clip for each side (DAPO, arXiv 2503.14476, equation 10)."""

from typing import ClassVar

from pydantic import Field

from .base import Loss, LossBatch, PolicyLoss
from .clip import clipped_objective
from .kl import add_kl


class ClippedSurrogate(Loss):
    """−Σ w · min(ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A) + kl_weight · KL(π ‖ reference), with ρ = π/π_old of each token."""

    skips_zero_advantage: ClassVar[bool] = True

    type: str = "clipped_surrogate"
    clip_low: float = Field(default=0.2, gt=0, lt=1, description="The likelihood ratio is clipped below at 1 − clip_low.")
    clip_high: float = Field(default=0.28, gt=0, description="The likelihood ratio is clipped above at 1 + clip_high.")

    def compute(self, batch: LossBatch) -> PolicyLoss:
        ratio_BT = (batch.logprobs_BT - batch.old_logprobs_BT).exp()
        return add_kl(clipped_objective(batch, ratio_BT, self.clip_low, self.clip_high), batch, ratio_BT, self.kl_weight)
