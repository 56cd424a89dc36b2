"""The KL divergence to the starting policy, as a loss is charged with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .base import LossBatch, PolicyLoss

if TYPE_CHECKING:
    from torch import Tensor


def add_kl(loss: PolicyLoss, batch: LossBatch, ratio_BT: Tensor, weight: float) -> PolicyLoss:
    """Return the loss plus weight · KL(π ‖ reference), with the divergence itself in `kl`; as it is where there is no reference."""
    if batch.reference_logprobs_BT is None:
        return loss
    kl = kl_to_reference(batch.logprobs_BT, batch.reference_logprobs_BT, ratio_BT, batch.weights_BT)
    return replace(loss, loss=loss.loss + weight * kl, kl=kl.detach())


def kl_to_reference(logprobs_BT: Tensor, reference_logprobs_BT: Tensor, ratio_BT: Tensor, weights_BT: Tensor) -> Tensor:
    """Return Σ w · ρ(exp(δ) − δ − 1) with δ = log π_ref − log π: KL(π ‖ reference), a scalar in nats with gradient.

    ratio_BT: ρ = π/π_old of each token. The estimate is GRPO's k3 (arXiv 2402.03300, equation 4) times ρ, so that its gradient,
    too, is that of the KL divergence from the policy (DeepSeek-V3.2, arXiv 2512.02556, equation 7). Without ρ, a token that the
    reference likes and the policy has left pulls without bound.
    """
    # Where a row has no token both are 0, and so is the difference.
    delta_BT = reference_logprobs_BT - logprobs_BT
    return (weights_BT * ratio_BT * (delta_BT.exp() - delta_BT - 1)).sum()
