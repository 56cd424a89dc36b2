"""Attention that looks back over a window: in whole prompts, and the cache of what it looks back at, which is a ring.

The token at position p of a row is in slot p mod W, where it takes the place of the token that has left the window. Here W = 4:

    slot         0    1    2    3
    row 0        t4   t5   t2   t3         6 tokens; the next one takes the place of t2, and sees t3 to t6
    row 1        u0   u1   .    .          2 tokens; slots behind a row's length are masked, as in any cache

Keys are rotated by their positions before they are kept, so their order in the cache is of no matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from ...policy.memory.branch import BranchState
from .kv_cache import Cache


@dataclass(frozen=True)
class WindowCache(Cache):
    """Keys and values of each row's newest tokens, and the states of the layers' memories."""

    window: int = 0
    """W: tokens that attention looks back at, the token itself included. There may be fewer slots, where no row gets as long."""
    states: dict[int, BranchState] = field(default_factory=dict)
    """State of each layer's memory, by layer; its rows are those in use. Empty where layers have no memory."""

    def read(self, keys_UKQd: Tensor, values_UKQd: Tensor, lengths_U: Tensor) -> None:
        """Add a layer with the newest tokens of U prompts, which are padded on the right."""
        slots = torch.arange(min(self.window, keys_UKQd.shape[2]), device=lengths_U.device)
        last_U1 = lengths_U[:, None] - 1
        positions_US = (last_U1 - (last_U1 - slots) % self.window).clamp(min=0)  # 0 in slots behind a prompt's length
        index_UKSd = positions_US[:, None, :, None].expand(-1, keys_UKQd.shape[1], -1, keys_UKQd.shape[3])
        self.layers.append(torch.stack([part.gather(2, index_UKSd) for part in (keys_UKQd, values_UKQd)]))

    def put(self, row: int, prompts: Cache, copies: int) -> None:
        super().put(row, prompts, copies)
        assert isinstance(prompts, WindowCache)
        self.keep(row)
        for layer, state in prompts.states.items():
            copied = state.rows(torch.arange(len(state.last_BTO), device=state.last_BTO.device).repeat_interleave(copies))
            self.states[layer] = self.states[layer].followed_by(copied) if row else copied

    def places(self, lengths_B: Tensor) -> Tensor:
        return super().places(lengths_B % self.window)

    def move(self, sources: Tensor, targets: Tensor, slots: int) -> None:
        super().move(sources, targets, slots)
        for layer, state in self.states.items():
            rows = torch.arange(len(state.last_BTO), device=targets.device)
            rows[targets] = sources
            self.states[layer] = state.rows(rows)

    def keep(self, rows: int) -> None:
        """Forget the memories of all but the first rows."""
        for layer, state in self.states.items():
            if rows < len(state.last_BTO):
                self.states[layer] = state.rows(torch.arange(rows, device=state.last_BTO.device))


def attended(q_UHQd: Tensor, k_UKQd: Tensor, v_UKQd: Tensor, window: int) -> Tensor:
    """Return what each token attends to among the `window` newest ones up to it (U, H, Q, d). K divides H.

    In blocks of `window` tokens, each of which sees its own block and the one before: time and memory grow with Q, not with Q².
    """
    grouped, width = q_UHQd.shape[1] != k_UKQd.shape[1], q_UHQd.shape[2]
    if width <= window:
        return F.scaled_dot_product_attention(q_UHQd, k_UKQd, v_UKQd, is_causal=True, enable_gqa=grouped)
    blocks = -(-width // window)
    q, k, v = (
        F.pad(part, (0, 0, 0, blocks * window - width)).unflatten(2, (blocks, window)).transpose(1, 2)
        for part in (q_UHQd, k_UKQd, v_UKQd)
    )  # each (U, blocks, heads, window, d)
    k, v = (torch.cat([F.pad(part[:, :-1], (0, 0, 0, 0, 0, 0, 1, 0)), part], 3) for part in (k, v))  # the block before comes first
    place = torch.arange(window, device=q.device)
    other = torch.arange(2 * window, device=q.device)
    sees = (other > place[:, None]) & (other <= place[:, None] + window)
    mask = sees.expand(blocks, 1, -1, -1).clone()
    mask[0, :, :, :window] = False  # no block is before the first
    values = F.scaled_dot_product_attention(
        q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), attn_mask=mask.repeat(len(q), 1, 1, 1), enable_gqa=grouped
    )
    rows_UHQd: Tensor = values.unflatten(0, (len(q), blocks)).transpose(1, 2).flatten(2, 3)[:, :, :width]
    return rows_UHQd
