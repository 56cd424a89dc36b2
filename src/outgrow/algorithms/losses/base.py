"""What a loss is: from log-probabilities and advantages to the scalar whose gradient moves the policy."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, FiniteFloat

from ...core.registry import Component
from .aggregation import Aggregation

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LossBatch:
    """The completions of one microbatch. Every tensor is (B, T): B completions, T tokens of the longest one; log-probabilities
    are in nats, and every entry is 0 where a row has no token.
    """

    logprobs_BT: Tensor
    """log π of each token under the policy that learns, with its gradient."""
    old_logprobs_BT: Tensor
    """log π_old: the policy that the ratio starts from (`learn.old_logprobs`)."""
    advantages_BT: Tensor
    """Advantage of each token."""
    weights_BT: Tensor
    """Share of each token in the loss of the whole batch (`token_weights`): above 0 exactly where a row has a token. A loss is a
    sum over tokens with these weights, so that the losses of microbatches add up."""
    reference_logprobs_BT: Tensor | None = None
    """log π_ref of the starting policy; None where `kl_weight` is 0."""
    importance_BT: Tensor | None = None
    """Truncated importance weight of each token, where another distribution than π_old drew them; None where π_old did."""


def _zero() -> Tensor:
    import torch

    return torch.zeros((), device="cpu")


@dataclass(frozen=True)
class PolicyLoss:
    """What a loss returns: scalars, each a sum over the microbatch with the weights of the loss."""

    loss: Tensor
    """The loss, with its gradient."""
    kl: Tensor = field(default_factory=_zero)
    """KL(π ‖ reference) in nats that the loss holds, before `kl_weight`; no gradient."""
    clipped_low: Tensor = field(default_factory=_zero)
    """Share of the tokens whose ratio is clipped from below."""
    clipped_high: Tensor = field(default_factory=_zero)
    """Share of the tokens whose ratio is clipped from above."""


class Loss(Component):
    """Base of the losses. `compute` is the algorithm; its settings, and these two, are keys of the recipe's `[loss]`."""

    skips_zero_advantage: ClassVar[bool] = False
    """Whether a completion whose advantage is 0 adds nothing to the gradient where `kl_weight` is 0, so that the learner need not
    compute it. It must be False for a loss with another term, such as an entropy bonus."""

    kl_weight: FiniteFloat = Field(
        default=0.0,
        ge=0,
        description="Weight of the KL divergence from the starting policy in the loss.",
        json_schema_extra={"default_is": "by size"},
    )
    aggregation: Aggregation = Field(
        default="token",
        description="What has the same weight: every token of the batch (`token`), every completion (`sequence`), or every token "
        "of any batch (`constant`).",
    )

    @abstractmethod
    def compute(self, batch: LossBatch) -> PolicyLoss:
        """Return the loss of one microbatch, with `kl_weight` times the KL divergence in it (`kl.add_kl`)."""
