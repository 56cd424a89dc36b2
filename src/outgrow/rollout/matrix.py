"""A weight matrix that is multiplied with again and again."""

import torch
import torch.nn.functional as F
from torch import Tensor

# MKL lays its blocks out for about so many rows; any other number may be multiplied with them. Told of one row it makes none.
_ROWS = 64


class Matrix:
    """x ↦ xWᵀ + b. On a CPU W is kept in the blocks that the library multiplies with, and in no other form: MKL's for float32,
    which decode SmolLM2-135M 1.15 times as fast as oneDNN's (64 rows, five runs in turn on 2 cores); oneDNN's for other types.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """weight: (outputs, inputs); copied."""
        self.outputs = weight.shape[0]
        self._bias = bias
        plain = weight.detach().contiguous()
        on_cpu = weight.device.type == "cpu"
        self._mkl = on_cpu and weight.dtype == torch.float32 and torch.backends.mkl.is_available()
        self._mkldnn = on_cpu and not self._mkl and torch.backends.mkldnn.is_available()
        if self._mkl:
            self._weight = torch.ops.mkl._mkl_reorder_linear_weight(plain, _ROWS)
            self._shape = plain.new_empty(1).expand(plain.shape)  # of W itself nothing else is read, so it need not be kept
        elif self._mkldnn:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(plain)
        else:
            self._weight = plain.clone()

    def __call__(self, x: Tensor) -> Tensor:
        if self._mkl:
            rows = x.numel() // x.shape[-1]  # told that it was made for another number, it would multiply with W itself
            product: Tensor = torch.ops.mkl._mkl_linear(x, self._weight, self._shape, self._bias, rows)
        elif self._mkldnn:
            product = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        else:
            product = F.linear(x, self._weight, self._bias)
        return product
