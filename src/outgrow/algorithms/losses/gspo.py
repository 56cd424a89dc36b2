"""GSPO (arXiv 2507.18071): one importance ratio for a whole completion, clipped as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from .aggregation import Aggregation
from .base import Loss, LossBatch, PolicyLoss
from .clip import clipped_objective
from .kl import add_kl

if TYPE_CHECKING:
    from torch import Tensor


class GSPO(Loss):
    """−Σ w · min(sA, clip(s, 1 − clip_low, 1 + clip_high)A) + kl_weight · KL(π ‖ reference), with s the ratio of the completion:
    exp of the mean of log π − log π_old over its tokens.

    The gradient is that of the paper's GSPO-token (equations 13 to 15), so that an advantage may differ between the tokens of a
    completion. Where it does not, and with the paper's aggregation `sequence`, value and gradient are those of GSPO (equation 5).
    The default clips are those of section 5.1.
    """

    skips_zero_advantage: ClassVar[bool] = True

    type: str = "gspo"
    aggregation: Aggregation = Field(default="sequence", description="What has the same weight; the paper weighs completions.")
    clip_low: float = Field(default=3e-4, gt=0, lt=1, description="The likelihood ratio is clipped below at 1 − clip_low.")
    clip_high: float = Field(default=4e-4, gt=0, description="The likelihood ratio is clipped above at 1 + clip_high.")

    def compute(self, batch: LossBatch) -> PolicyLoss:
        ratio_BT = sequence_ratio(batch)
        token_ratio_BT = (batch.logprobs_BT - batch.old_logprobs_BT).exp()
        return add_kl(clipped_objective(batch, ratio_BT, self.clip_low, self.clip_high), batch, token_ratio_BT, self.kl_weight)


def sequence_ratio(batch: LossBatch) -> Tensor:
    """Return s of each token's completion (B, T), with the gradient s · ∇log π of the token itself (equation 14)."""
    mask_BT = batch.weights_BT > 0
    log_ratio_BT = (batch.logprobs_BT.detach() - batch.old_logprobs_BT) * mask_BT
    ratio_B1 = (log_ratio_BT.sum(1, keepdim=True) / mask_BT.sum(1, keepdim=True)).exp()
    return ratio_B1 * (batch.logprobs_BT - batch.logprobs_BT.detach()).exp()
