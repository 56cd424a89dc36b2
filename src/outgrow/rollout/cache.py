"""Keys and values of the rows that are being written, in memory that is asked for once."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Cache:
    """keys, values: for each layer (rows, kv_heads, slots, head_dim). Slot s of a row holds its position s."""

    keys: list[Tensor]
    values: list[Tensor]

    @classmethod
    def empty(cls, layers: int, rows: int, kv_heads: int, slots: int, head_size: int, like: Tensor) -> Cache:
        """Memory for so many rows, of the type and on the device of `like`.

        Zeros, since slots that are not filled yet are multiplied by a weight of 0, and 0 · NaN is NaN.
        """
        shape = (rows, kv_heads, slots, head_size)
        return cls([like.new_zeros(shape) for _ in range(layers)], [like.new_zeros(shape) for _ in range(layers)])

    def put(self, row: int, prompts: Cache, copies: int, lengths: list[int]) -> None:
        """Fill the rows from `row` on with `copies` of each prompt, `lengths` long."""
        for ours, theirs in zip((*self.keys, *self.values), (*prompts.keys, *prompts.values), strict=True):
            for place, length in enumerate(lengths):
                first = row + place * copies
                ours[first : first + copies, :, :length] = theirs[place, :, :length]

    def move(self, sources: Tensor, targets: Tensor, slots: int) -> None:
        """Copy the first `slots` slots of some rows over others."""
        for part in (*self.keys, *self.values):
            part[targets, :, :slots] = part[sources, :, :slots]
