"""A weight matrix in int8, for products several times as fast as float32's, with an error of 1 to 2%.

Each output's weights have a scale of their own (largest magnitude ↦ 127). Each row of x is scaled to a largest magnitude of 1 and
its result is multiplied back, so a row's result does not depend on the rows next to it, to the last bit, and a row with a NaN or
an infinity comes out as NaN or infinite and no other does. Both facts are tested: the libraries promise neither.
"""

import warnings
from functools import lru_cache

import torch
from torch import Tensor

# The byte that stands for 0, and the largest magnitude. With 8 bits, processors without special units for bytes add two products in
# 16 bits and cut what does not fit, without a word; with 7 bits they fit everywhere.
_SEVEN_BITS, _EIGHT_BITS = (64, 63), (128, 127)


class OneDNNInt8Matrix:
    """Multiplied by oneDNN. The sums of products are exact: what is rounded are weights and activations."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """See `matrices.py`; in float32."""
        self._bias = bias
        self._scale_N, weight_NK = quantised(weight)
        self._zeros_N = torch.zeros(len(weight), dtype=torch.long)
        self._weight = torch.ops.onednn.qlinear_prepack(weight_NK, None)
        self._zero, self._most = _activation_bits()

    @staticmethod
    def fits(weight: Tensor) -> bool:
        """Return whether this machine multiplies with such a matrix in this layout."""
        return weight.device.type == "cpu" and "onednn" in torch.backends.quantized.supported_engines

    def __call__(self, x: Tensor) -> Tensor:
        x_MK = x.reshape(-1, x.shape[-1])
        scaled_MK = x_MK.abs()
        most_M1 = scaled_MK.amax(1, keepdim=True)
        torch.mul(x_MK, self._most / most_M1, out=scaled_MK)
        byte_MK = scaled_MK.round_().add_(self._zero).to(torch.uint8)
        product_MN = _product(byte_MK, self._zero, self._weight, self._scale_N, self._zeros_N)
        product_MN.mul_(most_M1 / self._most)
        if self._bias is not None:
            product_MN.add_(self._bias)
        return product_MN.view(*x.shape[:-1], -1)


class FbgemmInt8Matrix:
    """Multiplied by fbgemm, which scales the activations of all rows together: between the lowest and the highest of them."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """See `matrices.py`; in float32."""
        self._bias = bias
        scale_N, weight_NK = quantised(weight)
        with warnings.catch_warnings():  # torch 2.13 says that it will once be without such tensors
            warnings.simplefilter("ignore", UserWarning)
            values = torch._make_per_channel_quantized_tensor(weight_NK, scale_N, torch.zeros(len(weight), dtype=torch.long), 0)
        self._weight = torch.ops.quantized.linear_prepack(values, None)

    @staticmethod
    def fits(weight: Tensor) -> bool:
        """Return whether this machine multiplies with such a matrix in this layout."""
        return weight.device.type == "cpu" and torch.backends.quantized.engine in ("x86", "fbgemm")

    def __call__(self, x: Tensor) -> Tensor:
        x_MK = x.reshape(-1, x.shape[-1])
        most_M1 = x_MK.abs().amax(1, keepdim=True)
        # One more row holds the lowest and the highest number of the scale, which is therefore always the same: 1/63.
        scaled = x_MK.new_empty(len(x_MK) + 1, x_MK.shape[1])
        torch.div(x_MK, most_M1, out=scaled[:-1])
        scaled[:-1].nan_to_num_(0.0)  # rows of zeros; rows with NaN get it back from the factor below
        scaled[-1] = 1.0
        scaled[-1, 0] = -64 / 63
        product_MN: Tensor = torch.ops.quantized.linear_dynamic(scaled, self._weight, True)[:-1]  # True: 7 bits, see above
        product_MN.mul_(most_M1)
        if self._bias is not None:
            product_MN.add_(self._bias)
        return product_MN.view(*x.shape[:-1], -1)


def quantised(weight_NK: Tensor) -> tuple[Tensor, Tensor]:
    """Return each output's scale (N,), float32, and the weights as whole numbers of it (N, K), int8.

    The scale of an output is not finite where one of its weights is not.
    """
    weight_NK = weight_NK.detach().float()
    scale_N = weight_NK.abs().amax(1) / 127
    scale_N = torch.where(scale_N == 0, 1.0, scale_N)  # a NaN stays: bytes hold none, and the product must show it
    return scale_N, (weight_NK / scale_N.unsqueeze(1)).round_().to(torch.int8)


def _product(byte_MK: Tensor, zero: int, weight: Tensor, scale_N: Tensor, zeros_N: Tensor) -> Tensor:
    """Return the products (M, N), float32. byte_MK: uint8; `zero` of them stands for 0. weight: packed."""
    product: Tensor = torch.ops.onednn.qlinear_pointwise(
        byte_MK, 1.0, zero, weight, scale_N, zeros_N, None, 1.0, 0, torch.float32, "none", [], ""
    )
    return product


@lru_cache(maxsize=1)
def _activation_bits() -> tuple[int, int]:
    """Return the byte for 0 and the largest magnitude of activations with which this machine's sums are exact.

    Tried with the largest products that there can be, for one row and for many, since these are computed in different ways.
    """
    zero, most = _EIGHT_BITS
    sign_NK = torch.ones(64, 256, dtype=torch.int8)
    sign_NK[::2] = -1
    weight = torch.ops.onednn.qlinear_prepack(sign_NK * 127, None)
    scale_N, zeros_N = torch.ones(64), torch.zeros(64, dtype=torch.long)
    exact_N = sign_NK.sum(1).float() * 127 * most
    for rows in (1, 64):
        byte_MK = torch.full((rows, 256), zero + most, dtype=torch.uint8)
        if not torch.equal(_product(byte_MK, zero, weight, scale_N, zeros_N), exact_N.expand(rows, -1)):
            return _SEVEN_BITS
    return _EIGHT_BITS
