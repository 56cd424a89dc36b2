"""The memory in the learner's pass over prompts and their completions, which are packed into one row (packed_forward.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .branch import Branch

if TYPE_CHECKING:
    from ..packed_forward import Branches


def read_packed(branch: Branch, x_1LD: Tensor, layout: Branches) -> Tensor:
    """Return what the memory adds to each token of the row (1, L, D).

    Each prompt is read once. Each completion goes on from the state after its prompt.
    """
    x_LD = x_1LD[0]
    added_UQD, _, after = branch(x_LD[layout.prompt_UQ], layout.prompt_lengths_U, None)
    parts = [added_UQD.flatten(0, 1).index_select(0, layout.prompt_slot_E)]
    if layout.branch_BT.numel():
        added_BTD, _, _ = branch(x_LD[layout.branch_BT], layout.branch_lengths_B, after.rows(layout.prompt_of_B))
        parts.append(added_BTD.flatten(0, 1).index_select(0, layout.completion_slot_F))
    return torch.cat(parts).unsqueeze(0)
