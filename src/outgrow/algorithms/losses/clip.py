"""The clip of a policy loss, whatever ratio it is taken of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import LossBatch, PolicyLoss

if TYPE_CHECKING:
    from torch import Tensor


def clipped_objective(batch: LossBatch, ratio_BT: Tensor, clip_low: float, clip_high: float) -> PolicyLoss:
    """Return −Σ w · min(rA, clip(r, 1 − clip_low, 1 + clip_high)A) as the loss, and the shares of clipped tokens; no KL yet.

    ratio_BT: r, with its gradient (PPO, arXiv 1707.06347, equation 7; separate clips: DAPO, arXiv 2503.14476, equation 10).
    """
    import torch

    low, high, advantages_BT = 1 - clip_low, 1 + clip_high, batch.advantages_BT
    objective_BT = torch.minimum(ratio_BT * advantages_BT, ratio_BT.clamp(low, high) * advantages_BT)
    if batch.importance_BT is not None:
        objective_BT = batch.importance_BT * objective_BT
    loss = -(batch.weights_BT * objective_BT).sum()
    with torch.no_grad():
        clipped_low = (batch.weights_BT * ((ratio_BT < low) & (advantages_BT < 0))).sum()
        clipped_high = (batch.weights_BT * ((ratio_BT > high) & (advantages_BT > 0))).sum()
    return PolicyLoss(loss, clipped_low=clipped_low, clipped_high=clipped_high)
