"""Keys and values of the rows that are being written, in memory that is asked for once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cache:
    """layers: for each of them (2, rows, kv_heads, slots, head_dim): keys, then values.

    Slot s of a row holds its position s. Behind its length lies what was left there, a prompt's pads or another row's tokens,
    which is to be masked.
    """

    layers: list[Tensor]

    @classmethod
    def empty(cls, layers: int, rows: int, kv_heads: int, slots: int, head_size: int, like: Tensor) -> Cache:
        """Memory for so many rows, of the type and on the device of `like`.

        Zeros, since slots that are not filled yet are multiplied by a weight of 0, and 0 · NaN is NaN.
        """
        return cls([like.new_zeros(2, rows, kv_heads, slots, head_size) for _ in range(layers)])

    def put(self, row: int, prompts: Cache, copies: int) -> None:
        """Fill the rows from `row` on with `copies` of each prompt, with the pads it was read with."""
        for ours, theirs in zip(self.layers, prompts.layers, strict=True):
            _, count, _, width, _ = theirs.shape
            rows = ours[:, row : row + count * copies].unflatten(1, (count, copies))
            rows[..., :width, :] = theirs.unsqueeze(2)

    def places(self, lengths_B: Tensor) -> Tensor:
        """Where in a layer, seen as vectors of head_dim, the first B rows' slots `lengths_B` lie: (B, 2 · kv_heads)."""
        two, rows, heads, slots, _ = self.layers[0].shape
        firsts = torch.arange(two * rows * heads, device=lengths_B.device).view(two, rows, heads) * slots
        return (firsts[:, : len(lengths_B)] + lengths_B[:, None]).transpose(0, 1).flatten(1)

    def move(self, sources: Tensor, targets: Tensor, slots: int) -> None:
        """Copy the first `slots` slots of some rows over others."""
        for layer in self.layers:
            layer[:, targets, :, :slots] = layer[:, sources, :, :slots]
