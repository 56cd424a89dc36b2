"""Prompts and the completions that go on from them, in one forward pass without padding: a tree, laid out in one row of tokens.

Every layer but attention treats each token alone, so all tokens stand in one row: each prompt once, then each completion.
Only attention needs to know who follows whom. It is told by way of transformers' attention interface, and pads what it reads,
which is the cheaper part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NAME = "outgrow_branches"


@dataclass(frozen=True)
class Branches:
    """Where everything stands in the row of N tokens. U prompts of up to Q tokens, B branches of up to T tokens.

    tokens_N, positions_N: the row. before_M: for each completion token, in order, the place of the token it is predicted from.
    prompt_UQ, branch_BT, seen_BS: places in the row, any place where there is no token; seen is a branch's prompt, then itself.
    mask_BTS: True where a branch's token may look. prompt_at_P, branch_at_R: where each token of the row lies in prompt_UQ and
    branch_BT, flattened; the row holds those of the prompts first.
    """

    tokens_N: Tensor
    positions_N: Tensor
    before_M: Tensor
    prompt_UQ: Tensor
    branch_BT: Tensor
    seen_BS: Tensor
    mask_BTS: Tensor
    prompt_at_P: Tensor
    branch_at_R: Tensor


def lay_out(
    prompts: Sequence[Sequence[int]], which: Sequence[int], completions: Sequence[Sequence[int]], device: torch.device
) -> Branches:
    """which: the prompt of each completion. A completion's last token stays out: nothing is predicted from it."""

    def tensor(values: list[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=device)

    starts: list[int] = []
    tokens: list[int] = []
    for prompt in prompts:
        starts.append(len(tokens))
        tokens += prompt
    in_prompts, widest = len(tokens), max(map(len, prompts))
    prompt_UQ = [_places(start, len(prompt), widest) for start, prompt in zip(starts, prompts, strict=True)]
    positions = [place for prompt in prompts for place in range(len(prompt))]
    longest = max(len(completion) for completion in completions) - 1
    branch_BT, seen_BS, real_B, before = [], [], [], []
    for completion, place in zip(completions, which, strict=True):
        start, length = len(tokens), len(prompts[place])
        inside = len(completion) - 1
        tokens += completion[:-1]
        positions += range(length, length + inside)
        branch_BT.append(_places(start, inside, longest))
        seen_BS.append(prompt_UQ[place] + branch_BT[-1])
        real_B.append((length, inside))
        before += [starts[place] + length - 1, *range(start, start + inside)]
    lengths_B2 = tensor(real_B)
    slot_S = torch.arange(widest + longest, device=device)
    of_prompt_BS = slot_S < lengths_B2[:, :1]
    behind_TS = slot_S - widest <= torch.arange(longest, device=device).unsqueeze(1)
    mask_BTS = of_prompt_BS.unsqueeze(1) | ((slot_S >= widest) & behind_TS)
    at = torch.arange(longest, device=device) < lengths_B2[:, 1:]
    prompt_at = torch.arange(widest, device=device) < tensor([len(prompt) for prompt in prompts]).unsqueeze(1)
    return Branches(
        tensor(tokens),
        tensor(positions),
        tensor(before),
        tensor(prompt_UQ),
        tensor(branch_BT).view(len(completions), longest),
        tensor(seen_BS),
        mask_BTS,
        prompt_at.flatten().nonzero().squeeze(-1)[:in_prompts],
        at.flatten().nonzero().squeeze(-1),
    )


def _places(start: int, length: int, width: int) -> list[int]:
    return [*range(start, start + length), *([0] * (width - length))]


def states(model: PreTrainedModel, branches: Branches) -> Tensor:
    """The last layer's states (N, D)."""
    with _attending(model):
        found: Tensor = model.base_model(
            input_ids=branches.tokens_N.unsqueeze(0),
            position_ids=branches.positions_N.unsqueeze(0),
            use_cache=False,
            branches=branches,
        ).last_hidden_state
    return found[0]


@contextmanager
def _attending(model: PreTrainedModel) -> Iterator[None]:
    from transformers import AttentionInterface

    AttentionInterface.register(_NAME, _attention)
    config = model.config
    usual = config._attn_implementation
    if not model._can_set_attn_implementation():
        raise UsageError(
            f"the learner needs a model that uses transformers' attention interface, and {config.model_type!r} does not"
        )
    try:
        config._attn_implementation = _NAME
        yield
    finally:
        config._attn_implementation = usual


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    branches: Branches,
    scaling: float | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """query, key, value: (1, heads, N, head_dim). Returns (1, N, heads, head_dim)."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if rest.get("sliding_window") is not None:
        raise UsageError("the learner computes full attention; this model's config asks for a sliding window")
    q_NHd, k_NHd, v_NHd = (part[0].transpose(0, 1) for part in (query, key, value))

    def attend(asking: Tensor, asked: Tensor, mask: Tensor | None) -> Tensor:
        q, k, v = (
            part.index_select(0, places.flatten()).view(*places.shape, *part.shape[1:]).transpose(1, 2)
            for part, places in ((q_NHd, asking), (k_NHd, asked), (v_NHd, asked))
        )
        out, _ = sdpa_attention_forward(module, q, k, v, mask, scaling=scaling, is_causal=mask is None)
        return out.reshape(-1, *out.shape[2:])

    # What a prompt's pad asks or is asked reaches no token: it stands behind them all.
    parts = [attend(branches.prompt_UQ, branches.prompt_UQ, None)[branches.prompt_at_P]]
    if branches.branch_BT.numel():
        parts.append(attend(branches.branch_BT, branches.seen_BS, branches.mask_BTS.unsqueeze(1))[branches.branch_at_R])
    return torch.cat(parts).unsqueeze(0), None
