"""A weight matrix that is multiplied with again and again."""

import torch
import torch.nn.functional as F
from torch import Tensor

# MKL lays its blocks out for about so many rows; any other number may be multiplied with them. Told of one row it makes none.
_ROWS = 64


class Matrix:
    """x ↦ xWᵀ + b. On a CPU W is kept in the blocks that its products are made from, and in no other form: MKL's for float32,
    which decode SmolLM2-135M 1.15 times as fast as oneDNN's (64 rows, five runs in turn on 2 cores); oneDNN's for other types.
    Where neither can be had, and on a GPU, it is kept as it is.
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
            # Of W itself only the shape is read, so it need not be kept.
            self._stand_in = weight.new_full((1,), torch.nan).expand(weight.shape)
        elif self._mkldnn:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
        else:
            self._weight = weight.clone(memory_format=torch.contiguous_format)

    def __call__(self, x: Tensor) -> Tensor:
        if self._mkl:
            rows = x.numel() // x.shape[-1]  # told that it was made for another number, it would multiply with W itself
            product: Tensor = torch.ops.mkl._mkl_linear(x, self._weight, self._stand_in, self._bias, rows)
        elif self._mkldnn:
            product = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        else:
            product = F.linear(x, self._weight, self._bias)
        return product
