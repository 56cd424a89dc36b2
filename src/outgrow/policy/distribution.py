"""The distribution that tokens are drawn from: temperature, then top-k, then top-p, renormalised.

Engine and learner compute it from logits in the same way, so the loss sees the log-probabilities of the distribution that was
sampled.
"""

import torch
from torch import Tensor

from .sampling import Sampling


def log_distribution(logits: Tensor, sampling: Sampling, keep: Tensor | None = None) -> Tensor:
    """Return the log-probabilities (..., V) of the distribution that `sampling` draws from; −inf for tokens outside its support.

    logits: (..., V). keep: (...) token ids that always stay in the support. The learner passes the tokens that were drawn, since
    after an update its own top-p set may no longer hold them. At temperature 0 this is the distribution of temperature 1, because
    the log-probability of a greedy choice is always 0.
    """
    return torch.log_softmax(_scaled(logits, sampling, keep), dim=-1)


def distribution(logits: Tensor, sampling: Sampling) -> Tensor:
    """Return the probabilities (..., V) of the same distribution; 0 outside its support."""
    return torch.softmax(_scaled(logits, sampling, None), dim=-1)


def _scaled(logits: Tensor, sampling: Sampling, keep: Tensor | None) -> Tensor:
    """Return the logits of that distribution."""
    scaled = logits if sampling.temperature in (0.0, 1.0) else logits / sampling.temperature
    if sampling.truncates and sampling.temperature > 0:
        dropped = ~_support(scaled.detach(), sampling)
        if keep is not None:
            dropped = dropped.scatter(-1, keep.unsqueeze(-1), False)
        scaled = scaled.masked_fill(dropped, -torch.inf)
    return scaled


def _support(scaled: Tensor, sampling: Sampling) -> Tensor:
    """Return which tokens top-k keeps, and of these top-p: boolean (..., V). The likeliest token always stays."""
    ordered, order = scaled.sort(dim=-1, descending=True, stable=True)
    support = torch.ones_like(ordered, dtype=torch.bool)
    if 0 < sampling.top_k < scaled.shape[-1]:
        support[..., sampling.top_k :] = False
    if sampling.top_p < 1.0:
        probs = ordered.masked_fill(~support, -torch.inf).softmax(dim=-1)
        mass_before = probs.cumsum(dim=-1) - probs
        support &= mass_before < sampling.top_p
    return torch.zeros_like(support).scatter(-1, order, support)


def draw(probs_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """Draw by inverse CDF: return the first token of each row whose cumulative probability exceeds u; token ids (B,).

    uniform_B: u in [0, 1). (At large vocabularies softmax and multinomial cost 20 times more.)
    """
    cumulative = probs_BV.cumsum(dim=-1)
    # u is scaled by the total, which rounding keeps from being exactly 1, so that no draw runs past the last token of the support.
    threshold = uniform_B.unsqueeze(-1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True).squeeze(-1).clamp_(max=probs_BV.shape[-1] - 1)
