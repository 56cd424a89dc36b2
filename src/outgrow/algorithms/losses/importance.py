"""Truncated importance sampling: tokens that the engine drew, counted as if the learner had drawn them."""

from torch import Tensor


def truncated_importance(old_logprobs_BT: Tensor, engine_logprobs_BT: Tensor, cap: float) -> Tensor:
    """Return min(π_old / π_engine, cap) for each token (B, T).

    With these weights an average over the engine's tokens is one over the learner's, up to the cap (truncated importance
    sampling, Ionides 2008; for engines that round differently from learners, Yao et al. 2025).
    """
    return (old_logprobs_BT - engine_logprobs_BT).exp().clamp(max=cap)
