"""A weight matrix in one of the memory layouts that its products are computed from. `layouts.py` chooses.

Every class here takes weight (outputs, inputs), which it copies, and bias (outputs,) or None, and computes x ↦ xWᵀ + b for x
(..., inputs), with the exact weights.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

# MKL lays its blocks out for about this number of rows; any number can be multiplied with them. For 1 it makes no blocks.
_ROWS = 64


class Matrix(Protocol):
    """x ↦ xWᵀ + b."""

    def __call__(self, x: Tensor) -> Tensor: ...


class PlainMatrix:
    """W as it is: on a GPU, and where no library has a layout of its own."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self._weight, self._bias = weight.detach().clone(memory_format=torch.contiguous_format), bias

    @staticmethod
    def fits(weight: Tensor) -> bool:
        """Return whether this machine multiplies with such a matrix in this layout."""
        return True

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self._weight, self._bias)


class MKLMatrix:
    """W in MKL's blocks, for float32 on a CPU."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self._bias = bias
        weight = weight.detach()
        self._weight = torch.ops.mkl._mkl_reorder_linear_weight(weight.contiguous(), _ROWS)
        # MKL reads only the shape of W itself, so the values need no memory.
        self._stand_in = weight.new_full((1,), torch.nan).expand(weight.shape)

    @staticmethod
    def fits(weight: Tensor) -> bool:
        """Return whether this machine multiplies with such a matrix in this layout."""
        return OneDNNMatrix.fits(weight) and weight.dtype == torch.float32 and torch.backends.mkl.is_available()

    def __call__(self, x: Tensor) -> Tensor:
        rows = x.numel() // x.shape[-1]  # for a number that differs from this argument, MKL would multiply with W itself
        product: Tensor = torch.ops.mkl._mkl_linear(x, self._weight, self._stand_in, self._bias, rows)
        return product


class OneDNNMatrix:
    """W in oneDNN's blocks, on a CPU."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self._bias = bias
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous())

    @staticmethod
    def fits(weight: Tensor) -> bool:
        """Return whether this machine multiplies with such a matrix in this layout."""
        bfloat16 = weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        packs = weight.device.type == "cpu" and torch.backends.mkldnn.is_available()
        return packs and (weight.dtype == torch.float32 or bfloat16)

    def __call__(self, x: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return product
