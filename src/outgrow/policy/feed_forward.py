"""The gated feed-forward layer of Llama and Qwen, silu(gate) · up, with less memory kept for the backward pass.

Autograd keeps four tensors of the layer's width a token: gate, silu(gate), up and the product. These are more than half of what a
pass keeps. silu(gate) is computed again here instead, by the same operations, so that results are equal to the bit.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .own_forward import own_forward

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_LAYERS = ("LlamaMLP", "Qwen2MLP", "Qwen3MLP")  # classes of transformers that compute exactly this where their act_fn is silu


def lean_feed_forward(model: PreTrainedModel) -> AbstractContextManager[None]:
    """Let the model's feed-forward layers keep less; those of other families stay as they are."""
    found = [module for module in model.modules() if type(module).__name__ in _LAYERS and model.config.hidden_act == "silu"]
    return own_forward(found, _forward)


def _forward(module: Any, x: Tensor) -> Tensor:
    result: Tensor = module.down_proj(_Gated.apply(module.gate_proj(x), module.up_proj(x)))  # type: ignore[no-untyped-call]
    return result


class _Gated(torch.autograd.Function):
    """silu(gate) · up."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        return torch.ops.aten.silu_backward(grads[0] * up, gate), F.silu(gate).mul_(grads[0])
