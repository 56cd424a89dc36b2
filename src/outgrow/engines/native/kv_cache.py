"""Keys and values of the rows that are being decoded, in memory that is allocated once.

`put` copies a prompt's keys and values into the n rows of its group; each row then grows by one slot a step:

    slot         0    1    2    3    4    5    6   ...
    row 0        p0   p1   p2   t0   t1   .    .          n = 2 rows of one prompt p0 p1 p2, each with its own completion t, u
    row 1        p0   p1   p2   u0   u1   .    .
    row 2        q0   q1   v0   v1   #    .    .          a shorter prompt: its padding # was overwritten by v0, or is masked

Slots behind a row's length (. and #) hold zeros, padding or another row's old tokens. Whoever reads them masks them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cache:
    """Keys and values of every layer."""

    layers: list[Tensor]
    """For each layer (2, rows, kv_heads, slots, head_dim): keys, then values. Slot s of a row holds the token at position s."""

    @classmethod
    def empty(cls, layers: int, rows: int, kv_heads: int, slots: int, head_size: int, like: Tensor) -> Cache:
        """Allocate a cache of the type and on the device of `like`.

        It is filled with zeros: slots that are not filled yet are multiplied by a weight of 0, and 0 · NaN is NaN.
        """
        return cls([like.new_zeros(2, rows, kv_heads, slots, head_size) for _ in range(layers)])

    @property
    def slots(self) -> int:
        """Tokens that a row has room for."""
        return self.layers[0].shape[3]

    def put(self, row: int, prompts: Cache, copies: int) -> None:
        """Copy each prompt, padding included, into `copies` rows; the first prompt's first row is `row`."""
        for ours, theirs in zip(self.layers, prompts.layers, strict=True):
            _, count, _, width, _ = theirs.shape
            rows = ours[:, row : row + count * copies].unflatten(1, (count, copies))
            rows[..., :width, :] = theirs.unsqueeze(2)

    def places(self, lengths_B: Tensor) -> Tensor:
        """Return where slot lengths_B[b] of each row b lies in a layer that is seen as vectors of head_dim: (B, 2 · kv_heads)."""
        two, rows, heads, slots, _ = self.layers[0].shape
        firsts = torch.arange(two * rows * heads, device=lengths_B.device).view(two, rows, heads) * slots
        return (firsts[:, : len(lengths_B)] + lengths_B[:, None]).transpose(0, 1).flatten(1)

    def move(self, sources: Tensor, targets: Tensor, slots: int) -> None:
        """Copy the first `slots` slots of the rows `sources` over those of the rows `targets`."""
        for layer in self.layers:
            layer[:, targets, :, :slots] = layer[:, sources, :, :slots]
