"""Weights as one flat buffer of bytes, which Ray's object store takes and gives without a copy for each tensor.

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

_ALIGNED = 64  # bytes; what a type needs, and a line of a processor's cache


@dataclass(frozen=True)
class Piece:
    """Where one tensor lies in the buffer."""

    name: str
    dtype: str
    """Its type, as torch calls it: bfloat16."""
    shape: tuple[int, ...]
    start: int
    """Its first byte."""
    bytes: int


@dataclass(frozen=True)
class Packed:
    """Tensors by name. Two names of one tensor (a tied embedding) have one place."""

    pieces: tuple[Piece, ...]
    buffer: NDArray[Any]
    """(bytes,), uint8. Out of the object store it cannot be written to, and all actors of a machine share it."""


def packed(tensors: Mapping[str, Tensor]) -> Packed:
    """Copy tensors, of any type and device, into one buffer in main memory."""
    import numpy as np
    import torch

    places: dict[tuple[object, ...], int] = {}
    pieces, copies, end = [], [], 0
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), tensor.device)
        if key not in places:
            places[key] = end
            copies.append((end, tensor))
            end += -(-tensor.nbytes // _ALIGNED) * _ALIGNED
        kind = str(tensor.dtype).removeprefix("torch.")
        pieces.append(Piece(name, kind, tuple(tensor.shape), places[key], tensor.nbytes))
    buffer = np.empty(end, dtype=np.uint8)
    flat = torch.from_numpy(buffer)
    for start, tensor in copies:
        flat[start : start + tensor.nbytes].copy_(tensor.detach().contiguous().reshape(-1).view(torch.uint8))
    return Packed(tuple(pieces), buffer)


def unpacked(packed: Packed) -> dict[str, Tensor]:
    """Return the tensors by name. They share the buffer's memory: read them, never write to them."""
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        flat = torch.from_numpy(packed.buffer)
    return {
        piece.name: flat[piece.start : piece.start + piece.bytes].view(getattr(torch, piece.dtype)).view(piece.shape)
        for piece in packed.pieces
    }
