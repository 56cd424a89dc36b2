"""The clipped policy loss, as pure functions over tensors."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Averaging = Literal["token", "sequence", "constant"]


def token_weights(lengths_B: Tensor, averaging: Averaging, max_tokens: int) -> Tensor:
    """How much each token of a completion counts in the batch's loss: one weight per completion.

    lengths_B: completion lengths. Weights are for the whole batch, so a micro-batch needs to know nothing of the rest.

    - token: every token counts the same, 1 / (tokens in the batch) (DAPO, arXiv 2503.14476, equation 8)
    - sequence: every completion counts the same, 1 / (B · its length) (GRPO, arXiv 2402.03300, equation 3)
    - constant: every token counts 1 / (B · max_tokens), so length never changes a token's weight (Dr. GRPO, arXiv 2503.20783)
    """
    lengths_B = lengths_B.float()
    count = len(lengths_B)
    if averaging == "token":
        return torch.full_like(lengths_B, 1.0) / lengths_B.sum()
    if averaging == "sequence":
        return 1.0 / (count * lengths_B)
    return torch.full_like(lengths_B, 1.0 / (count * max_tokens))


def truncated_importance(old_logprobs_BT: Tensor, engine_logprobs_BT: Tensor, cap: float) -> Tensor:
    """min(π_old / π_engine, cap): makes an average over the engine's tokens one over the learner's, as far as the cap lets it
    (truncated importance sampling; Ionides 2008, and for engines that round otherwise than learners Yao et al. 2025).
    """
    return (old_logprobs_BT - engine_logprobs_BT).exp().clamp(max=cap)


@dataclass(frozen=True)
class PolicyLoss:
    """The loss (a scalar with gradient), and what a person watches, each weighted as the loss is (no gradient)."""

    loss: Tensor
    clipped_low: Tensor
    clipped_high: Tensor
    kl: Tensor


def policy_loss(
    logprobs_BT: Tensor,
    old_logprobs_BT: Tensor,
    advantages: Tensor,
    weights_BT: Tensor,
    clip_low: float,
    clip_high: float,
    reference_logprobs_BT: Tensor | None = None,
    kl_weight: float = 0.0,
    importance_BT: Tensor | None = None,
) -> PolicyLoss:
    """The clipped surrogate, −Σ w · min(ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A), plus kl_weight · KL(π ‖ reference).

    advantages: (B,), one for all of a completion's tokens, or (B, T), one a token.
    importance_BT: what each token's surrogate counts beside that, where the tokens were drawn by another distribution than π_old.

    ρ = π/π_old per token (PPO, arXiv 1707.06347, equation 7; separate clips: DAPO, arXiv 2503.14476, equation 10).
    weights_BT is 0 where a row has no token. The KL estimate is ρ(exp(δ) − δ − 1) with δ = log π_ref − log π: GRPO's k3 (arXiv
    2402.03300, equation 4), times ρ so that its gradient, too, is that of the KL divergence from the policy (DeepSeek-V3.2,
    arXiv 2512.02556, equation 7); without it a token the reference likes and the policy has left pulls without bound.
    """
    ratio = torch.exp(logprobs_BT - old_logprobs_BT)
    if advantages.dim() == 1:
        advantages = advantages.unsqueeze(-1)
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high)
    objective = torch.minimum(ratio * advantages, clipped * advantages)
    if importance_BT is not None:
        objective = importance_BT * objective
    loss = -(weights_BT * objective).sum()
    kl = torch.zeros_like(loss)
    if reference_logprobs_BT is not None:
        # Where a row has no token both are 0, and so is the difference.
        delta = reference_logprobs_BT - logprobs_BT
        kl = (weights_BT * ratio * (delta.exp() - delta - 1)).sum()
        loss = loss + kl_weight * kl
    with torch.no_grad():
        low = (weights_BT * ((ratio < 1 - clip_low) & (advantages < 0))).sum()
        high = (weights_BT * ((ratio > 1 + clip_high) & (advantages > 0))).sum()
    return PolicyLoss(loss, low, high, kl.detach())
