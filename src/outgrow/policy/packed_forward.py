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
    branch_BT: Tensor
    """Places of the branches' tokens."""
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
    prompt_at = torch.arange(widest, device=device) < tensor([len(prompt) for prompt in prompts]).unsqueeze(1)
    return Branches(
        tensor(tokens),
        tensor(positions),
        tensor(before),
        tensor(prompt_UQ),
        tensor(branch_BT).view(len(completions), longest),
        tensor(context_BX),
        mask_BTX,
        prompt_at.flatten().nonzero().squeeze(-1),
        at.flatten().nonzero().squeeze(-1),
    )


def _places(start: int, length: int, width: int) -> list[int]:
    return [*range(start, start + length), *([0] * (width - length))]


def hidden_states(model: PreTrainedModel, branches: Branches) -> Tensor:
    """Return the last layer's states (L, D)."""
    config = model.config.get_text_config()
    shared = config.num_attention_heads // config.num_key_value_heads
    width = branches.prompt_UQ.shape[1]
    causal_1QQ = torch.ones(1, width, width, dtype=torch.bool, device=model.device).tril()
    prompt_masks = _added(causal_1QQ, 0, shared, model.dtype)
    branch_masks = _added(branches.mask_BTX, width, shared, model.dtype)
    with _attending(model):
        states_1LD: Tensor = model.base_model(
            input_ids=branches.tokens_L.unsqueeze(0),
            position_ids=branches.positions_L.unsqueeze(0),
            use_cache=False,
            branches=branches,
            prompt_masks=prompt_masks,
            branch_masks=branch_masks,
        ).last_hidden_state
    return states_1LD[0]


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
    branches: Branches,
    prompt_masks: list[Tensor],
    branch_masks: list[Tensor],
    scaling: float | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """query, key, value: (1, heads, L, head_dim). Returns (1, L, heads, head_dim)."""
    if rest.get("sliding_window") is not None:
        raise UsageError("the learner computes full attention; this model's config asks for a sliding window")
    q_LHd, k_LKd, v_LKd = (part[0].transpose(0, 1) for part in (query, key, value))

    def attend(queries: Tensor, keys: Tensor, masks: list[Tensor]) -> Tensor:
        """Return what the tokens at places `queries` (rows, width) attend to among `keys`: (rows · width, heads, head_dim).

        masks: one of each block of queries, over the keys that it may look at.
        """
        rows, width = queries.shape
        # The query heads that share a key head follow each other as its queries, so that no key is repeated in memory.
        q = q_LHd.index_select(0, queries.flatten()).view(rows, width, key.shape[1], -1, query.shape[-1])
        k, v = (part.index_select(0, keys.flatten()).view(rows, -1, *part.shape[1:]).transpose(1, 2) for part in (k_LKd, v_LKd))
        attended = []
        for mask, block in zip(masks, q.split(_BLOCK, dim=1), strict=True):
            folded, seen = block.permute(0, 2, 3, 1, 4).flatten(2, 3), mask.shape[-1]
            found = F.scaled_dot_product_attention(folded, k[:, :, :seen], v[:, :, :seen], attn_mask=mask, scale=scaling)
            attended.append(found.unflatten(2, (-1, block.shape[1])).permute(0, 3, 1, 2, 4))
        flat: Tensor = torch.cat(attended, dim=1).reshape(rows * width, -1, query.shape[-1])
        return flat

    # Padding of a prompt follows all its tokens, so causal attention keeps it from reaching them.
    parts = [attend(branches.prompt_UQ, branches.prompt_UQ, prompt_masks).index_select(0, branches.prompt_slot_E)]
    if branches.branch_BT.numel():
        of_branches = attend(branches.branch_BT, branches.context_BX, branch_masks)
        parts.append(of_branches.index_select(0, branches.completion_slot_F))
    return torch.cat(parts).unsqueeze(0), None
