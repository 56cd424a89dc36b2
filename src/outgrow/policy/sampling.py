"""The distribution that is sampled from: temperature, then top-k, then top-p, renormalised.

Engine and learner read the same logits as the same distribution, so the log-probabilities that the loss sees are those of the
sampler.
"""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor


class Sampling(BaseModel):
    """How completions are drawn (recipe table `sampling`). Temperature 0 is greedy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(default=1.0, ge=0.0, description="Sampling temperature; 0 is greedy.")
    top_p: float = Field(
        default=1.0,
        gt=0.0,
        le=1.0,
        description="Sample from the likeliest tokens that reach this probability together; 1 keeps all.",
    )
    top_k: int = Field(default=0, ge=0, description="Sample from this many likeliest tokens; 0 keeps all.")
    max_tokens: int = Field(default=96, ge=1, description="Length limit of a completion, in tokens.")

    @property
    def truncates(self) -> bool:
        """Whether some tokens can never be drawn."""
        return self.top_k > 0 or self.top_p < 1.0


def log_distribution(logits: Tensor, sampling: Sampling, keep: Tensor | None = None) -> Tensor:
    """Log-probabilities of the distribution that `sampling` draws from.

    logits: (..., V). keep: (...) token ids that stay in the support whatever the truncation says: the learner passes the
    tokens that were drawn, since after an update its own top-p set may no longer hold them.
    Returns (..., V); tokens outside the support get -inf. At temperature 0 this is the untempered distribution, because a
    greedy choice has no log-probability of use.
    """
    return torch.log_softmax(_scaled(logits, sampling, keep), dim=-1)


def distribution(logits: Tensor, sampling: Sampling) -> Tensor:
    """The same as probabilities: (..., V), 0 outside the support."""
    return torch.softmax(_scaled(logits, sampling, None), dim=-1)


def _scaled(logits: Tensor, sampling: Sampling, keep: Tensor | None) -> Tensor:
    """Logits of that distribution."""
    scaled = logits if sampling.temperature in (0.0, 1.0) else logits / sampling.temperature
    if sampling.truncates and sampling.temperature > 0:
        dropped = ~_support(scaled.detach(), sampling)
        if keep is not None:
            dropped = dropped.scatter(-1, keep.unsqueeze(-1), False)
        scaled = scaled.masked_fill(dropped, -torch.inf)
    return scaled


def _support(scaled: Tensor, sampling: Sampling) -> Tensor:
    """Boolean (..., V): the tokens that top-k, then top-p of what is left, keep. The likeliest token always stays."""
    ordered, order = scaled.sort(dim=-1, descending=True, stable=True)
    kept = torch.ones_like(ordered, dtype=torch.bool)
    if 0 < sampling.top_k < scaled.shape[-1]:
        kept[..., sampling.top_k :] = False
    if sampling.top_p < 1.0:
        probs = ordered.masked_fill(~kept, -torch.inf).softmax(dim=-1)
        mass_before = probs.cumsum(dim=-1) - probs
        kept &= mass_before < sampling.top_p
    return torch.zeros_like(kept).scatter(-1, order, kept)


def draw(probs_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """Inverse-CDF sampling: the first token whose cumulative probability exceeds u (softmax + multinomial costs 20 times
    more at large vocabularies).

    probs_BV: (B, V); uniform_B: (B,) in [0, 1). Returns token ids (B,).
    """
    cumulative = probs_BV.cumsum(dim=-1)
    # Scaling u by the total, rather than trusting it to be 1, keeps rounding from running past the last token of the support.
    threshold = uniform_B.unsqueeze(-1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, threshold, right=True).squeeze(-1).clamp_(max=probs_BV.shape[-1] - 1)
