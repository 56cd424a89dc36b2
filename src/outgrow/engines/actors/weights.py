"""What goes to the actors at each version of the weights: all of them, or what learns next to a base that they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...policy import Policy
from .packed import Packed, packed, unpacked

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_A, _B = "lora_A of ", "lora_B of "


@dataclass(frozen=True)
class Learned:
    """What one version of the weights is made of, next to what stays the same."""

    tensors: Packed
    """Whole tensors by their names in transformers, and the two factors of each adapted one."""
    scales: Mapping[str, float] = field(default_factory=dict)
    """alpha / rank of each adapted tensor."""


def split(policy: Policy) -> tuple[dict[str, Tensor], Learned]:
    """Return the weights that stay as they are, by name, and what learns.

    The first is empty where every weight learns, and where ranks hold them: what is gathered for a version is new each time.
    """
    if policy.whole or policy.shared_out:
        return {}, whole(policy.named_weights())
    from ...policy.lora import adapter_factors, unmerged_tensors

    learning = {name for name, weight in policy.model.named_parameters() if weight.requires_grad and ".lora_" not in name}
    tensors = policy.model.state_dict()
    weights, factors = unmerged_tensors(tensors), adapter_factors(policy.model, tensors)
    parts = {name: weights.pop(name) for name in sorted(learning)}
    for name, factor in factors.items():
        parts |= {_A + name: factor.a, _B + name: factor.b}
    return weights, Learned(packed(parts), {name: factor.scale for name, factor in factors.items()})


def whole(weights: Mapping[str, Tensor]) -> Learned:
    """Return weights of which nothing stays as it is."""
    return Learned(packed(weights))


def merged(base: Mapping[str, Tensor], learned: Learned, device: torch.device) -> dict[str, Tensor]:
    """Return every weight by name, adapters merged to the same bits as `Policy.named_weights` gives on a CPU.

    base: what `split` returned first. device: where the weights shall be.
    """
    import torch

    from ...policy.lora import Factors, merge

    parts = unpacked(learned.tensors)
    factors = {name: Factors(parts.pop(_A + name), parts.pop(_B + name), scale) for name, scale in learned.scales.items()}
    with torch.no_grad():
        weights = {name: weight.to(device) for name, weight in {**base, **parts}.items()}
        for name, factor in factors.items():
            weights[name] = merge(weights[name], factor.on(device))
    return weights
