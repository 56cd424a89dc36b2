"""Log-probabilities of given tokens from the last layer's states, chunk by chunk: never a tensor of tokens × vocabulary.

A token's log-probability depends on its own state only, so its gradient, ∂ log p / ∂h = (W_token − Σ_v p_v W_v) / T, is known as
soon as p is. The forward pass stores it: one vector of the hidden size a token, instead of one of the vocabulary's size. Only where
the output layer itself learns does the backward pass compute the distribution again. (Chunked cross-entropies do the same for a
fixed loss: Liger Kernel, arXiv 2410.10989, section 3.)
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .distribution import log_distribution
from .sampling import Sampling

# Bytes of one float32 matrix of logits: large enough for full-speed products, small enough not to raise peak memory.
_CHUNK_BYTES = 2**25


def token_logprobs(hidden_MD: Tensor, weight_VD: Tensor, targets_M: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Return the targets' log-probabilities under the distribution that `sampling` draws from, and that distribution's entropy.

    hidden_MD: states that predict the targets. weight_VD: the output layer. Returns (M,) twice, float32, nats; the entropy has
    no gradient.
    """
    pair: tuple[Tensor, Tensor] = _TokenLogprobs.apply(hidden_MD, weight_VD, targets_M, sampling)  # type: ignore[no-untyped-call]
    return pair


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden_MD: Tensor, weight_VD: Tensor, targets_M: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
        hidden_learns, weight_learns, *_ = ctx.needs_input_grad
        logprobs_M, entropy_M = (torch.empty(len(targets_M), device=hidden_MD.device) for _ in range(2))
        slope_MD = torch.empty_like(hidden_MD) if hidden_learns else None
        for chunk in _chunks(len(targets_M), len(weight_VD)):
            logprobs_M[chunk], entropy_M[chunk], slope_YD = _chunk_logprobs(
                hidden_MD[chunk], weight_VD, targets_M[chunk], sampling, hidden_learns
            )
            if slope_MD is not None and slope_YD is not None:
                slope_MD[chunk] = slope_YD
        ctx.sampling = sampling
        ctx.save_for_backward(slope_MD, *((hidden_MD, weight_VD, targets_M) if weight_learns else ()))
        ctx.mark_non_differentiable(entropy_M)
        return logprobs_M, entropy_M

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        grad_M = grads[0]
        slope_MD, *saved = ctx.saved_tensors
        grad_hidden_MD = None if slope_MD is None else (grad_M.unsqueeze(-1) * slope_MD).to(slope_MD.dtype)
        if not saved:
            return grad_hidden_MD, None, None, None
        hidden_MD, weight_VD, targets_M = saved
        grad_weight_VD = torch.zeros_like(weight_VD)
        for chunk in _chunks(len(targets_M), len(weight_VD)):
            grad_YV = -_distribution(hidden_MD[chunk], weight_VD, targets_M[chunk], ctx.sampling).exp_()
            grad_YV.scatter_add_(-1, targets_M[chunk].unsqueeze(-1), torch.ones_like(grad_YV[:, :1]))
            grad_YV *= grad_M[chunk].unsqueeze(-1) / _temperature(ctx.sampling)
            grad_weight_VD.addmm_(grad_YV.to(weight_VD.dtype).T, hidden_MD[chunk])
        return grad_hidden_MD, grad_weight_VD, None, None


def _chunk_logprobs(
    hidden_YD: Tensor, weight_VD: Tensor, targets_Y: Tensor, sampling: Sampling, slopes: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return log-probabilities, entropies and, with `slopes`, ∂ log p / ∂h of a chunk. Its distributions are freed afterwards."""
    logprobs_YV = _distribution(hidden_YD, weight_VD, targets_Y, sampling)
    logprobs_Y = logprobs_YV.gather(-1, targets_Y.unsqueeze(-1)).squeeze(-1)
    probs_YV = logprobs_YV.exp()
    # 0 · −∞ counts as 0: a token that is never drawn adds nothing.
    entropy_Y = -logprobs_YV.clamp_(min=-1e30).mul_(probs_YV).sum(-1)
    slope_YD = (weight_VD[targets_Y] - probs_YV.to(weight_VD.dtype) @ weight_VD) / _temperature(sampling) if slopes else None
    return logprobs_Y, entropy_Y, slope_YD


def _distribution(hidden_YD: Tensor, weight_VD: Tensor, targets_Y: Tensor, sampling: Sampling) -> Tensor:
    return log_distribution((hidden_YD @ weight_VD.T).float(), sampling, keep=targets_Y)


def _temperature(sampling: Sampling) -> float:
    return sampling.temperature or 1.0  # as in log_distribution


def tokens_at_once(vocabulary: int) -> int:
    """Return how many tokens have their whole distributions in memory at the same time."""
    return max(1, _CHUNK_BYTES // (4 * vocabulary))


def _chunks(tokens: int, vocabulary: int) -> Iterator[slice]:
    size = tokens_at_once(vocabulary)
    return (slice(first, first + size) for first in range(0, tokens, size))
