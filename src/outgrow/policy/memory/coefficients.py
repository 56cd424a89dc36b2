"""What each token of a chunk has in the memory after each later one: momentum and decay as two scans.

By token, with the gradient u_t of the loss at token t:

    S_t = η_t S_{t-1} - θ_t u_t          what surprised lately
    M_t = (1 - α_t) M_{t-1} + S_t        the memory

If all gradients of a chunk are taken at its start, both are sums, with M_0 and S_0 from before the chunk:

    M_t = keep_t M_0 + late_t S_0 - Σ_{i ≤ t} write_{ti} u_i

The logarithms of the products are added up, so that quotients of small products stay exact (Titans, section 3.2).
Shape suffixes: docs/glossary.md.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Gates:
    """How strongly each token writes; all of them (B, H, Z), from 0 to 1."""

    step: Tensor
    """θ: weight of the gradient."""
    decay: Tensor
    """α: share of the memory that is forgotten."""
    momentum: Tensor | None
    """η: share of what surprised before that goes on; None for no momentum."""


@dataclass(frozen=True)
class Coefficients:
    """Weights in the memory after each token of a chunk (see the top of this file)."""

    keep_BHZ: Tensor
    """Of the memory at the chunk's start."""
    late_BHZ: Tensor | None
    """Of the surprise at the chunk's start; None without momentum."""
    write_BHZZ: Tensor
    """Of the gradient of each token (last axis) after each token; 0 for later ones."""
    pass_BHZ: Tensor | None
    """Of each token's gradient in the surprise at the chunk's end; None without momentum."""
    pass_on_BH: Tensor | None
    """Of the surprise at the chunk's start in that at its end; None without momentum."""


def coefficients(gates: Gates) -> Coefficients:
    """Return the weights of a chunk."""
    kept_BHZ = torch.log1p(-gates.decay).cumsum(-1)
    keep_BHZZ = _products(kept_BHZ)
    if gates.momentum is None:
        return Coefficients(kept_BHZ.exp(), None, keep_BHZZ * gates.step.unsqueeze(-2), None, None)
    passed_BHZ = gates.momentum.log().cumsum(-1)
    pass_BHZZ, pass_BHZ = _products(passed_BHZ), passed_BHZ.exp()
    return Coefficients(
        kept_BHZ.exp(),
        (keep_BHZZ @ pass_BHZ.unsqueeze(-1)).squeeze(-1),
        (keep_BHZZ @ pass_BHZZ) * gates.step.unsqueeze(-2),
        pass_BHZZ[..., -1, :] * gates.step,
        pass_BHZ[..., -1],
    )


def _products(log_BHZ: Tensor) -> Tensor:
    """Return the product of the factors after token i up to token t, for i ≤ t, else 0.

    log_BHZ: logarithms of the factors, added up from the chunk's start.
    """
    later = torch.ones(log_BHZ.shape[-1], log_BHZ.shape[-1], dtype=torch.bool, device=log_BHZ.device).triu(1)
    # Masked before exp, where the differences of later tokens would overflow.
    return (log_BHZ.unsqueeze(-1) - log_BHZ.unsqueeze(-2)).masked_fill(later, -torch.inf).exp()
