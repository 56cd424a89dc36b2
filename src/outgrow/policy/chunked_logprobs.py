"""Log-probabilities of given tokens from the last layer's states, a few tokens at a time: never a tensor of tokens × vocabulary.

A token's log-probability depends on its own state alone, so its gradient, ∂ log p / ∂h = (W_token − Σ_v p_v W_v) / T, is known
as soon as p is: one row of the model's width, kept from the forward pass instead of one of the vocabulary's. Only where the
output layer itself learns is the distribution computed again in the backward pass. (Chunked cross-entropies do the same for
the loss they know: Liger Kernel, arXiv 2410.10989, section 3.)
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .sampling import Sampling, log_distribution

# Bytes of one float32 matrix of logits: large enough for full-speed products, small enough to stay out of the peak.
_CHUNK_BYTES = 2**25


def token_logprobs(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the targets under the distribution that `sampling` draws from, and that distribution's entropy.

    hidden_ND: states that predict the targets. weight_VD: the output layer. Returns (N,) twice, float32, nats; the entropy has
    no gradient.
    """
    found: tuple[Tensor, Tensor] = _TokenLogprobs.apply(hidden_ND, weight_VD, targets_N, sampling)  # type: ignore[no-untyped-call]
    return found


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
        hidden_learns, weight_learns, *_ = ctx.needs_input_grad
        logprobs_N, entropy_N = (torch.empty(len(targets_N), device=hidden_ND.device) for _ in range(2))
        slope_ND = torch.empty_like(hidden_ND) if hidden_learns else None
        for part in _chunks(len(targets_N), len(weight_VD)):
            of_part = _chunk_logprobs(hidden_ND[part], weight_VD, targets_N[part], sampling, hidden_learns)
            logprobs_N[part], entropy_N[part] = of_part[:2]
            if slope_ND is not None and of_part[2] is not None:
                slope_ND[part] = of_part[2]
        ctx.sampling = sampling
        ctx.save_for_backward(slope_ND, *((hidden_ND, weight_VD, targets_N) if weight_learns else ()))
        ctx.mark_non_differentiable(entropy_N)
        return logprobs_N, entropy_N

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        grad_N = grads[0]
        slope_ND, *saved = ctx.saved_tensors
        grad_hidden_ND = None if slope_ND is None else (grad_N.unsqueeze(-1) * slope_ND).to(slope_ND.dtype)
        if not saved:
            return grad_hidden_ND, None, None, None
        hidden_ND, weight_VD, targets_N = saved
        grad_weight_VD = torch.zeros_like(weight_VD)
        for part in _chunks(len(targets_N), len(weight_VD)):
            grad_CV = -_distribution(hidden_ND[part], weight_VD, targets_N[part], ctx.sampling).exp_()
            grad_CV.scatter_add_(-1, targets_N[part].unsqueeze(-1), torch.ones_like(grad_CV[:, :1]))
            grad_CV *= grad_N[part].unsqueeze(-1) / _temperature(ctx.sampling)
            grad_weight_VD.addmm_(grad_CV.to(weight_VD.dtype).T, hidden_ND[part])
        return grad_hidden_ND, grad_weight_VD, None, None


def _chunk_logprobs(
    hidden_CD: Tensor, weight_VD: Tensor, targets_C: Tensor, sampling: Sampling, slopes: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Log-probabilities, entropies and ∂ log p / ∂h of a few tokens; of their distributions nothing is left behind."""
    logprobs_CV = _distribution(hidden_CD, weight_VD, targets_C, sampling)
    logprobs_C = logprobs_CV.gather(-1, targets_C.unsqueeze(-1)).squeeze(-1)
    probs_CV = logprobs_CV.exp()
    # 0 · −∞ is 0 here: what can never be drawn adds nothing.
    entropy_C = -logprobs_CV.clamp_(min=-1e30).mul_(probs_CV).sum(-1)
    slope_CD = (weight_VD[targets_C] - probs_CV.to(weight_VD.dtype) @ weight_VD) / _temperature(sampling) if slopes else None
    return logprobs_C, entropy_C, slope_CD


def _distribution(hidden_CD: Tensor, weight_VD: Tensor, targets_C: Tensor, sampling: Sampling) -> Tensor:
    return log_distribution((hidden_CD @ weight_VD.T).float(), sampling, keep=targets_C)


def _temperature(sampling: Sampling) -> float:
    return sampling.temperature or 1.0  # as log_distribution has it


def tokens_at_once(vocabulary: int) -> int:
    """Tokens whose whole distributions are held at a time."""
    return max(1, _CHUNK_BYTES // (4 * vocabulary))


def _chunks(tokens: int, vocabulary: int) -> Iterator[slice]:
    size = tokens_at_once(vocabulary)
    return (slice(first, first + size) for first in range(0, tokens, size))
