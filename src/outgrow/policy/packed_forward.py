"""Prompts and their completions in one forward pass without padding: a tree of tokens, packed into one row.

Every layer but attention computes each token independently, so all tokens are packed into one row: each prompt once, then each
completion. Only attention needs to know which tokens a token follows. It gets that through transformers' attention interface, and
pads what it reads, which is the cheaper part. Shape suffixes: docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import UsageError
from .feed_forward import lean_feed_forward
from .norms import lean_norms

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NAME = "outgrow_branches"

# Tokens of a branch that attend together. They look at no later ones, so products with these are not computed: of a branch of many
# blocks, nearly half.
_BLOCK = 256


@dataclass(frozen=True)
class Branches:
    """Layout of a row of L tokens: U prompts of up to Q tokens (E in all), then B completions of up to T tokens (F in all).

    A place is an index into the row. Where a prompt or a branch is shorter than Q or T, its remaining places are 0, and the mask
    hides them.
    """

    tokens_L: Tensor
    """The row."""
    positions_L: Tensor
    """Position of each token in its own sequence."""
    predictor_M: Tensor
    """For each completion token, in order, the place of the token that predicts it."""
    prompt_UQ: Tensor
    """Places of the prompts' tokens."""
    prompt_lengths_U: Tensor
    """Tokens of each prompt."""
    branch_BT: Tensor
    """Places of the branches' tokens."""
    branch_lengths_B: Tensor
    """Tokens of each branch."""
    prompt_of_B: Tensor
    """Which prompt each branch follows."""
    context_BX: Tensor
    """Places that a branch may look at: its prompt's, then its own (X = Q + T)."""
    mask_BTX: Tensor
    """True where a branch's token looks at a place of its context."""
    prompt_slot_E: Tensor
    """For each prompt token of the row, its index in the flattened prompt_UQ."""
    completion_slot_F: Tensor
    """For each branch token of the row, its index in the flattened branch_BT."""


def pack(
    prompts: Sequence[Sequence[int]], which: Sequence[int], completions: Sequence[Sequence[int]], device: torch.device
) -> Branches:
    """Pack prompts and completions into one row.

    which: the index of each completion's prompt. A completion's last token is not in the row: nothing is predicted from it.
    """

    def tensor(values: list[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    starts: list[int] = []
    tokens: list[int] = []
    for prompt in prompts:
        starts.append(len(tokens))
        tokens += prompt
    widest = max(map(len, prompts))
    prompt_UQ = [_places(start, len(prompt), widest) for start, prompt in zip(starts, prompts, strict=True)]
    positions = [place for prompt in prompts for place in range(len(prompt))]
    longest = max(len(completion) for completion in completions) - 1
    branch_BT, context_BX, real_B, before = [], [], [], []
    for completion, place in zip(completions, which, strict=True):
        start, length = len(tokens), len(prompts[place])
        inside = len(completion) - 1
        tokens += completion[:-1]
        positions += range(length, length + inside)
        branch_BT.append(_places(start, inside, longest))
        context_BX.append(prompt_UQ[place] + branch_BT[-1])
        real_B.append((length, inside))
        before += [starts[place] + length - 1, *range(start, start + inside)]
    lengths_B2 = tensor(real_B)
    slot_X = torch.arange(widest + longest, device=device)
    of_prompt_BX = slot_X < lengths_B2[:, :1]
    seen_TX = slot_X - widest <= torch.arange(longest, device=device).unsqueeze(1)
    mask_BTX = of_prompt_BX.unsqueeze(1) | ((slot_X >= widest) & seen_TX)
    at = torch.arange(longest, device=device) < lengths_B2[:, 1:]
    lengths_U = tensor([len(prompt) for prompt in prompts])
    prompt_at = torch.arange(widest, device=device) < lengths_U.unsqueeze(1)
    return Branches(
        tensor(tokens),
        tensor(positions),
        tensor(before),
        tensor(prompt_UQ),
        lengths_U,
        tensor(branch_BT).view(len(completions), longest),
        lengths_B2[:, 1],
        tensor(list(which)),
        tensor(context_BX),
        mask_BTX,
        prompt_at.flatten().nonzero().squeeze(-1),
        at.flatten().nonzero().squeeze(-1),
    )


def _places(start: int, length: int, width: int) -> list[int]:
    return [*range(start, start + length), *([0] * (width - length))]


def hidden_states(model: PreTrainedModel, branches: Branches, windows: dict[int, int | None] | None = None) -> Tensor:
    """Return the last layer's states (L, D).

    windows: takes, for each layer that attends, its sliding window in tokens; None for full attention. Raises UsageError where the
    model's attention is not computed here.
    """
    with _attending(model), lean_feed_forward(model), lean_norms(model):
        states_1LD: Tensor = model.base_model(
            input_ids=branches.tokens_L.unsqueeze(0),
            position_ids=branches.positions_L.unsqueeze(0),
            use_cache=False,
            masks=_Masks(branches, model.dtype, {} if windows is None else windows),
        ).last_hidden_state
    return states_1LD[0]


class _Masks:
    """What is added to the scores of a forward pass, made once for all layers that attend alike."""

    def __init__(self, branches: Branches, dtype: torch.dtype, windows: dict[int, int | None]) -> None:
        """windows: takes each layer's window."""
        self.branches, self.windows = branches, windows
        self._dtype = dtype
        self._made: dict[tuple[int | None, int], tuple[list[Tensor], list[Tensor]]] = {}

    def of(self, window: int | None, shared: int) -> tuple[list[Tensor], list[Tensor]]:
        """Return what is added for the prompts, and for the branches (see `_added`).

        window: tokens that a token looks back at, itself included; None for all. shared: query heads of one key head.
        """
        if window is not None and window >= self.branches.context_BX.shape[1]:
            window = None  # no context is longer
        if (window, shared) not in self._made:
            width = self.branches.prompt_UQ.shape[1]
            prompt_1QQ, branch_BTX = self._seen(window)
            self._made[window, shared] = (
                _added(prompt_1QQ, 0, shared, self._dtype), _added(branch_BTX, width, shared, self._dtype)
            )  # fmt: skip
        return self._made[window, shared]

    def _seen(self, window: int | None) -> tuple[Tensor, Tensor]:
        """Return which tokens a prompt's token looks at (1, Q, Q), and a branch's (B, T, X)."""
        branches = self.branches
        slot_Q = torch.arange(branches.prompt_UQ.shape[1], device=branches.tokens_L.device)
        back_1QQ = (slot_Q.unsqueeze(1) - slot_Q).unsqueeze(0)
        if window is None:
            return back_1QQ >= 0, branches.mask_BTX
        # Padding has position 0 here, so that it looks at its own prompt at least: a softmax over nothing is NaN, also backward.
        of_branch_BT, of_context_BX = (branches.positions_L[places] for places in (branches.branch_BT, branches.context_BX))
        near_BTX = of_branch_BT.unsqueeze(2) - of_context_BX.unsqueeze(1) < window
        return (back_1QQ >= 0) & (back_1QQ < window), branches.mask_BTX & near_BTX


def _added(mask_BTX: Tensor, before: int, shared: int, dtype: torch.dtype) -> list[Tensor]:
    """Return what is added to the scores of each block of t tokens: (B, 1, shared · t, places that the block may look at).

    before: places before those of the tokens themselves. shared: query heads of one key head; they follow each other.
    """
    blocks = []
    for first in range(0, mask_BTX.shape[1], _BLOCK):
        end = min(first + _BLOCK, mask_BTX.shape[1])
        mask = mask_BTX[:, first:end, : before + end]
        added = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, -torch.inf)
        blocks.append(added.repeat(1, shared, 1).unsqueeze(1))
    return blocks


@contextmanager
def _attending(model: PreTrainedModel) -> Iterator[None]:
    from transformers import AttentionInterface

    AttentionInterface.register(_NAME, _attention)
    config = model.config
    before = config._attn_implementation
    if not model._can_set_attn_implementation():
        raise UsageError(
            f"the learner needs a model that uses transformers' attention interface, and {config.model_type!r} does not"
        )
    try:
        config._attn_implementation = _NAME
        yield
    finally:
        config._attn_implementation = before


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    masks: _Masks,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """query, key, value: (1, heads, L, head_dim). Returns (1, L, heads, head_dim)."""
    for name in ("softcap", "s_aux"):  # what single families add to their scores
        if rest.get(name) is not None:
            raise UsageError(f"the learner does not compute attention with {name}, which this model has")
    branches = masks.branches
    masks.windows[getattr(module, "layer_idx", -1)] = sliding_window
    prompt_masks, branch_masks = masks.of(sliding_window, query.shape[1] // key.shape[1])
    q_LHd, k_LKd, v_LKd = (part[0].transpose(0, 1) for part in (query, key, value))

    def attend(queries: Tensor, keys: Tensor, added: list[Tensor]) -> Tensor:
        """Return what the tokens at places `queries` (rows, width) attend to among `keys`: (rows · width, heads, head_dim).

        added: one of each block of queries, over the keys that it may look at.
        """
        rows, width = queries.shape
        # The query heads that share a key head follow each other as its queries, so that no key is repeated in memory.
        q = q_LHd.index_select(0, queries.flatten()).view(rows, width, key.shape[1], -1, query.shape[-1])
        k, v = (part.index_select(0, keys.flatten()).view(rows, -1, *part.shape[1:]).transpose(1, 2) for part in (k_LKd, v_LKd))
        attended = []
        for mask, block in zip(added, q.split(_BLOCK, dim=1), strict=True):
            folded, seen = block.permute(0, 2, 3, 1, 4).flatten(2, 3), mask.shape[-1]
            found = F.scaled_dot_product_attention(
                folded, k[:, :, :seen], v[:, :, :seen], attn_mask=mask, scale=scaling, dropout_p=dropout
            )
            attended.append(found.unflatten(2, (-1, block.shape[1])).permute(0, 3, 1, 2, 4))
        flat: Tensor = torch.cat(attended, dim=1).reshape(rows * width, -1, value.shape[-1])
        return flat

    # Padding of a prompt follows all its tokens, so causal attention keeps it from reaching them.
    parts = [attend(branches.prompt_UQ, branches.prompt_UQ, prompt_masks).index_select(0, branches.prompt_slot_E)]
    if branches.branch_BT.numel():
        of_branches = attend(branches.branch_BT, branches.context_BX, branch_masks)
        parts.append(of_branches.index_select(0, branches.completion_slot_F))
    return torch.cat(parts).unsqueeze(0), None
