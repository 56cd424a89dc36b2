"""Weights as plain bytes in numpy arrays, which Ray's object store takes with one copy and gives without any.

As numpy, not as torch tensors: those go through another road, ten to three hundred times as slow.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_ALIGNED = 64  # bytes, as torch's own tensors are: sums of products may depend on it. The object store gives small arrays 8.


@dataclass(frozen=True)
class Piece:
    """One tensor."""

    name: str
    dtype: str
    """Its type, as torch calls it: bfloat16."""
    shape: tuple[int, ...]
    array: int
    """Which array holds its bytes."""


@dataclass(frozen=True)
class Packed:
    """Tensors by name. Two names of one tensor (a tied embedding) have one array."""

    pieces: tuple[Piece, ...]
    arrays: tuple[NDArray[Any], ...]
    """Each (bytes,), uint8. Out of the object store they cannot be written to, and all actors of a machine share them."""

    @property
    def bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(array.nbytes for array in self.arrays)


def packed(tensors: Mapping[str, Tensor]) -> Packed:
    """Return tensors, of any type and device, as bytes in main memory. Those that are there share it: they must not change before
    the object store has its copy.
    """
    import torch

    places: dict[tuple[object, ...], int] = {}
    pieces: list[Piece] = []
    arrays: list[NDArray[Any]] = []
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), tensor.device)
        if key not in places:
            places[key] = len(arrays)
            arrays.append(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        kind = str(tensor.dtype).removeprefix("torch.")
        pieces.append(Piece(name, kind, tuple(tensor.shape), places[key]))
    return Packed(tuple(pieces), tuple(arrays))


def unpacked(packed: Packed) -> dict[str, Tensor]:
    """Return the tensors by name. They share the arrays' memory: read them, never write to them."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        flat = [torch.from_numpy(array) for array in packed.arrays]
    flat = [each if each.data_ptr() % _ALIGNED == 0 else each.clone() for each in flat]
    return {piece.name: flat[piece.array].view(getattr(torch, piece.dtype)).view(piece.shape) for piece in packed.pieces}
