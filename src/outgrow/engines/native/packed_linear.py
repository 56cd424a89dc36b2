"""A weight matrix in the memory layout that its products are fastest with."""

import torch
import torch.nn.functional as F
from torch import Tensor

# MKL lays its blocks out for about this number of rows; any number can be multiplied with them. For 1 it makes no blocks.
_ROWS = 64


class Matrix:
    """x ↦ xWᵀ + b.

    On a CPU, W is stored only in the blocks that its products are computed from: MKL's for float32, oneDNN's for other types. MKL's
    decode SmolLM2-135M 1.15 times faster than oneDNN's (64 rows, five runs in turn on 2 cores). On a GPU, and where neither library
    is available, W is stored unchanged.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """weight: (outputs, inputs); copied."""
        self.outputs = weight.shape[0]
        self._bias = bias
        weight = weight.detach()
        packs = weight.device.type == "cpu" and torch.backends.mkldnn.is_available()
        self._mkl = packs and weight.dtype == torch.float32 and torch.backends.mkl.is_available()
        bfloat16 = weight.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        self._mkldnn = packs and (weight.dtype == torch.float32 or bfloat16)
        if self._mkl:
            self._weight = torch.ops.mkl._mkl_reorder_linear_weight(weight.contiguous(), _ROWS)
            # MKL reads only the shape of W itself, so the values need no memory.
            self._stand_in = weight.new_full((1,), torch.nan).expand(weight.shape)
        elif self._mkldnn:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        else:
            self._weight = weight.clone(memory_format=torch.contiguous_format)

    def __call__(self, x: Tensor) -> Tensor:
        if self._mkl:
            rows = x.numel() // x.shape[-1]  # for a number that differs from this argument, MKL would multiply with W itself
            product: Tensor = torch.ops.mkl._mkl_linear(x, self._weight, self._stand_in, self._bias, rows)
        elif self._mkldnn:
            product = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        else:
            product = F.linear(x, self._weight, self._bias)
        return product
