"""How much each token of a text surprises a model's memory, next to its plain loss; and which tokens a later question rests on.

The surprise is that by which the memory is written (policy/memory/watch.py). The loss is −log p of a token after those before it,
in nats. Source of surprise as a memory's signal: arXiv 2501.00663, section 3.1.

What a question reads is defined by what it changes, so that it is the same for every rule: let each token t write the share m_t of
what it writes, in one head of one layer. The effect of t is ∂ log p / ∂m_t at m = 1, where p is the probability of the token that
the model finds likeliest after the question. To first order it is the nats of log p that would be lost if t had not been written,
in whatever way: read by the question, or by a token between, or by a later layer. What attention sees of t is not counted. The
effects of heads and layers add up.

Shape suffixes: docs/glossary.md; L is the layers here, and T the tokens of the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import OutgrowError, UsageError
from ..policy.memory.settings import MODEL_TYPE
from .calibration import spearman
from .surprise_row import Row

if TYPE_CHECKING:
    from torch import Tensor

    from ..policy import Policy

_PIECE = 1024
"""Tokens that are read together; the memory and the window go on from piece to piece."""


@dataclass(frozen=True)
class Answered:
    """The token that the model finds likeliest after the question, and what it rests on."""

    token: int
    """Its id."""
    text: str
    logprob: float
    """Nats."""
    effect_LHT: Tensor
    """Nats of the log-probability that rest on what each token of the row wrote (see the top of this file)."""

    def effects(self, layer: int | None = None) -> list[float]:
        """Return each token's effect, the sum over heads and over layers; of one layer where it is given."""
        effect_LHT = self.effect_LHT if layer is None else self.effect_LHT[layer : layer + 1]
        return [float(value) for value in effect_LHT.sum((0, 1))]


@dataclass(frozen=True)
class Surprise:
    """A text as a memory reads it."""

    row: Row
    rule: str
    """Of the memory, by its name in `policy.memory`."""
    surprise_LHT: Tensor
    losses: list[float | None]
    """−log p of each token in nats; None for the row's first, before which nothing stands."""
    answered: Answered | None
    """None without a question."""

    def surprise(self, layer: int | None = None) -> list[float]:
        """Return each token's surprise, the mean over heads and over layers; of one layer where it is given."""
        surprise_LHT = self.surprise_LHT if layer is None else self.surprise_LHT[layer : layer + 1]
        return [float(value) for value in surprise_LHT.mean((0, 1))]

    def correlation(self, layer: int | None = None) -> tuple[float | None, int]:
        """Return Spearman's correlation of surprise and loss over the tokens shown that have a loss, and their number.

        It is None where one of the two has the same value for all tokens.
        """
        surprise, tokens = self.surprise(layer), self.row.shown
        pairs = [(surprise[at], loss) for at in tokens if (loss := self.losses[at]) is not None]
        values = np.array(pairs, dtype=np.float64).reshape(-1, 2)
        return (spearman(values[:, 0], values[:, 1]) if len(pairs) > 1 else None), len(pairs)


def require_surprise(policy: Policy, model: str) -> str:
    """Return the rule of a model's memory. model: its name. Raises UsageError where nothing in it can be surprised."""
    from ..policy.memory.watch import WITH_SURPRISE

    config = policy.model.config
    if config.model_type != MODEL_TYPE:
        raise UsageError(
            f"{model} has no memory; name a model that was trained with the recipe table policy.memory (docs/guides/memory.md)"
        )
    rule = str((config.memory or {}).get("rule", "titans"))
    if rule not in WITH_SURPRISE:
        raise UsageError(
            f"{model} has a memory by the rule {rule}, which has no surprise; train one with policy.memory.rule="
            f"{' or '.join(WITH_SURPRISE)}"
        )
    return rule


def surprise_of(policy: Policy, row: Row, rule: str, question: bool) -> Surprise:
    """Return what the memory makes of a row. question: whether the row ends with one, whose effects are computed too.

    Raises OutgrowError where the model computes numbers that are not finite.
    """
    import torch

    from ..policy.chunked_logprobs import token_logprobs
    from ..policy.logprobs import output_weight
    from ..policy.memory.watch import surprises
    from ..policy.sampling import Sampling

    tokens = torch.tensor(row.ids, device=policy.model.device)
    with torch.no_grad(), surprises(policy.model) as found:
        states_TD = _states(policy, tokens)
        logprobs_T, _ = token_logprobs(states_TD[:-1], output_weight(policy), tokens[1:], Sampling())
    surprise_LHT = torch.stack([torch.cat(pieces, 2)[0] for pieces in found]).double().cpu()
    if not (surprise_LHT.isfinite().all() and logprobs_T.isfinite().all()):
        raise OutgrowError("this model computes numbers that are not finite; its weights may be damaged, or its training diverged")
    losses = [None, *(-float(value) for value in logprobs_T)]
    return Surprise(row, rule, surprise_LHT, losses, _answered(policy, tokens) if question else None)


def lost_without(policy: Policy, row: Row, token: int, places: Sequence[int]) -> list[float]:
    """Return the nats of log p of `token` after the row that are lost where the token at one place does not write, in any layer.

    This is computed by reading the row again for each place, while `Answered.effect_LHT` is its first order.
    """
    import torch

    from ..policy.memory.watch import written

    tokens = torch.tensor(row.ids, device=policy.model.device)

    def logprob(place: int | None) -> float:
        shares = _whole(policy, len(row.ids))
        for share_BHT in shares if place is not None else ():
            share_BHT[:, :, place] = 0
        with written(policy.model, shares):
            return float(_next_logprobs(policy, tokens)[token])

    with torch.no_grad():
        with_all = logprob(None)
        return [with_all - logprob(place) for place in places]


def _answered(policy: Policy, tokens: Tensor) -> Answered:
    import torch

    from ..policy.memory.watch import written

    shares = [share_BHT.requires_grad_() for share_BHT in _whole(policy, len(tokens))]
    with torch.enable_grad(), written(policy.model, shares):
        logprobs_V = _next_logprobs(policy, tokens)
        token = int(logprobs_V.argmax())
        effects = torch.autograd.grad(logprobs_V[token], shares)
    effect_LHT = torch.cat(effects).double().cpu()
    return Answered(token, str(policy.tokenizer.decode([token])), float(logprobs_V[token].detach()), effect_LHT)


def _whole(policy: Policy, length: int) -> list[Tensor]:
    """Return shares of 1 for each layer (1, H, T)."""
    import torch

    from ..policy.memory.watch import rules

    heads = int(policy.model.config.memory["heads"])
    return [torch.ones(1, heads, length, device=policy.model.device) for _ in rules(policy.model)]


def _next_logprobs(policy: Policy, tokens: Tensor) -> Tensor:
    """Return the log-probabilities of what follows the tokens (V)."""
    from ..policy.logprobs import output_weight

    return (_states(policy, tokens)[-1] @ output_weight(policy).T).float().log_softmax(-1)


def _states(policy: Policy, tokens: Tensor) -> Tensor:
    """Return the last layer's states (T, D). Pieces keep the attention's masks at one size for any length."""
    import torch

    cache: Any = None
    states = []
    for piece in tokens.split(_PIECE):
        out = policy.model.base_model(input_ids=piece.unsqueeze(0), past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        states.append(out.last_hidden_state[0])
    return torch.cat(states)
