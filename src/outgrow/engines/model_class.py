"""Rollouts of whole groups that a model's own class decodes together, with its own cache.

Prompts are padded on the left, so that every row's next token has the same slot of the cache:

    slot         0    1    2    3    4    5
    prompt p     p0   p1   p2  |t0   t1  |         each prompt is read once; then its cache is copied for the n rows of its group
    prompt q     #    q0   q1  |u0   u1  |         # is masked, and a token's position is counted from its row's first token

Nothing waits for a row here: rows that have ended leave the cache, and the next groups begin when all have (compare
native/batch.py, whose cache is its own).
"""

import inspect
from typing import Any, cast

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from .draws import Draws

# Ended rows leave once they are this share of the rows: it copies the cache.
_DROP_AT = 0.125


class ModelRows:
    """The rollouts of some groups of a call; B of them are being decoded."""

    def __init__(self, model: PreTrainedModel, draws: Draws, prompts: list[int]) -> None:
        """prompts: indices of the groups' prompts in the request."""
        self.model, self.draws = model, draws
        self.accepts = set(inspect.signature(model.forward).parameters)
        self.cache = DynamicCache(config=model.config)
        self.n, self.limit = draws.request.n, draws.request.sampling.max_tokens
        ids, device = [draws.request.prompts[index] for index in prompts], model.device
        width = max(map(len, ids))
        tokens_UQ = torch.tensor([[draws.spec.pad_id] * (width - len(row)) + [*row] for row in ids], device=device)
        lengths_U = torch.tensor([len(row) for row in ids], device=device)
        self.mask_BX = (torch.arange(width, device=device) >= width - lengths_U[:, None]).long()
        logits_UV = self._run(tokens_UQ)
        source_B = torch.arange(len(ids), device=device).repeat_interleave(self.n)
        first_B = torch.tensor(prompts, device=device).repeat_interleave(self.n) * self.n
        self.rollout_B = first_B + torch.arange(self.n, device=device).repeat(len(ids))
        self.ended_B = torch.zeros_like(self.rollout_B, dtype=torch.bool)
        self._take(source_B)
        self.logits_BV = logits_UV[source_B]
        self.written = 0  # tokens of each row
        self.complete = 0  # rollouts
        self.left = 0  # rows that have ended and are no longer in the cache
        self.tokens = 0  # of all rollouts

    def unfinished(self) -> bool:
        """Whether a rollout is being decoded."""
        return len(self.rollout_B) > 0

    def advance(self) -> None:
        """Write one more token of every row. Now and then, rows that have ended leave."""
        written_B = torch.full_like(self.rollout_B, self.written)
        token_B, ends_B = self.draws.draw(self.logits_BV, self.rollout_B, written_B)
        ends_B = ends_B & ~self.ended_B
        self.tokens += int((~self.ended_B).sum())
        self.written += 1
        self.draws.end(ends_B, self.rollout_B, written_B + 1)
        self.ended_B = self.ended_B | ends_B
        over = len(self.ended_B) if self.written == self.limit else int(self.ended_B.sum())
        self.complete = self.left + over
        if over == len(self.ended_B):
            self.rollout_B = self.rollout_B[:0]
            return
        if over >= _DROP_AT * len(self.ended_B):
            stays_B = (~self.ended_B).nonzero().squeeze(-1)
            self._take(stays_B)
            self.left += over
            self.rollout_B, self.ended_B, token_B = self.rollout_B[stays_B], self.ended_B[stays_B], token_B[stays_B]
        self.mask_BX = torch.cat([self.mask_BX, self.mask_BX.new_ones(len(token_B), 1)], dim=1)
        self.logits_BV = self._run(token_B.unsqueeze(1))

    def _take(self, rows: Tensor) -> None:
        """Make the cache that of these rows of it, in this order; a row may come more than once."""
        self.cache.reorder_cache(cast("torch.LongTensor", rows))
        self.mask_BX = self.mask_BX[rows]

    def _run(self, tokens_BQ: Tensor) -> Tensor:
        """Run the rows' newest tokens, whose mask is there already, and return the logits of the next token (B, V), float32."""
        positions_BX = (self.mask_BX.cumsum(-1) - 1).clamp(min=0)
        extras: dict[str, Any] = {"position_ids": positions_BX[:, -tokens_BQ.shape[1] :], "logits_to_keep": 1}
        output = self.model(
            input_ids=tokens_BQ,
            attention_mask=self.mask_BX,
            past_key_values=self.cache,
            use_cache=True,
            **{name: value for name, value in extras.items() if name in self.accepts},
        )
        logits_BV: Tensor = output.logits[:, -1].float()
        return logits_BV


def bytes_a_token(model: PreTrainedModel) -> int:
    """Return the bytes of a token's keys and values in the model's cache."""
    cache = DynamicCache(config=model.config)
    model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), past_key_values=cache, use_cache=True)
    parts = (getattr(layer, name, None) for layer in cache.layers for name in ("keys", "values"))  # recurrent layers have none
    return max(1, sum(int(part.nbytes) for part in parts if part is not None))
