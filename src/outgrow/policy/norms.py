"""The root mean square norm of Llama and Qwen, y = g · x / sqrt(mean(x²) + ε) (arXiv 1910.07467), in few passes over memory.

Autograd computes its gradient operation by operation, and each one reads and writes tensors as large as the layer's input. The
gradient by hand needs five passes. Where the gain g learns, autograd also keeps x / rms, which is computed again here.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .own_forward import own_forward

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_LAYERS = ("LlamaRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm")  # classes of transformers that compute exactly this


def lean_norms(model: PreTrainedModel) -> AbstractContextManager[None]:
    """Let the model's norms take fewer passes; those of other families stay as they are."""
    found = [module for module in model.modules() if type(module).__name__ in _LAYERS]
    return own_forward(found, _forward)


def _forward(module: Any, x: Tensor) -> Tensor:
    result: Tensor = _Norm.apply(x, module.weight, module.variance_epsilon)  # type: ignore[no-untyped-call]
    return result


class _Norm(torch.autograd.Function):
    """With s = 1 / rms of x, and ȳ the gradient of y: the gradient of g is Σ ȳ·x·s over tokens, that of x is
    ȳ·g·s − x · s³ · mean(ȳ·g·x).

    Computed in float32, or in x's type where that is wider, as x / rms is in transformers.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain_D: Tensor, epsilon: float) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=wide)
        scale = length.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, gain_D, scale)
        normed = (x * scale).to(x.dtype)
        return normed.mul_(gain_D) if torch.result_type(normed, gain_D) == x.dtype else normed * gain_D

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, gain_D, scale = ctx.saved_tensors
        grad, gain = grads[0].to(scale.dtype), gain_D.to(scale.dtype)
        product = grad * x
        grad_gain = None
        if ctx.needs_input_grad[1]:
            grad_gain = (scale.flatten() @ product.flatten(0, -2)).to(gain_D.dtype)
        if not ctx.needs_input_grad[0]:
            return None, grad_gain, None
        share = (product @ gain).unsqueeze(-1).mul_(scale**3).div_(-x.shape[-1])
        grad_x = torch.mul(grad, gain, out=product)  # in the memory of one that is no longer needed
        return grad_x.mul_(scale).addcmul_(x.to(scale.dtype), share).to(x.dtype), grad_gain, None
