"""The memory of one layer: what it makes of hidden states, and what it adds to the attention's result.

    k, v, q = silu(convolution(x W))      over the last few tokens; k and q of length 1
    y = M(q) W_o                          M: the memory after this token, by its rule
    attention + tanh(gate) · y            gate: one number for each number of a hidden state, 0 at first

Shape suffixes: docs/glossary.md; T is the tokens of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .delta import Delta, LinearAttention
from .rule import Reading, Rule, State
from .settings import Memory
from .titans import Titans
from .tokenwise import Tokenwise

_STEP, _DECAY, _MOMENTUM = 0.27, 0.018, 0.27
"""First values of the three gates. The step is that of a rule which writes token by token."""

_CHUNK_WRITES = 0.36
"""Share of an error that a whole chunk of `titans` writes at first (see `first_step`)."""
_ALIKE = 0.25
"""Cosine of two tokens' keys in a new model, and of what a network makes of them: 0.15 to 0.3."""

_CLOSED = 1e-6
"""How near a gate comes to 0 and to 1."""


@dataclass(frozen=True)
class BranchState(State):
    """What a layer keeps of a row's tokens."""

    last_BTO: Tensor
    """The newest tokens' numbers before the convolution, as many as a convolution looks back at; the newest is last."""
    rule: Any
    """State of the rule."""


class Branch(nn.Module):
    """A memory with its projections. It computes in float32 at least. settings: of any rule but `none`."""

    def __init__(self, hidden_size: int, settings: Memory) -> None:
        super().__init__()
        self.heads, self.settings = settings.heads, settings
        wide = settings.heads * settings.width
        self.read = nn.Linear(hidden_size, 3 * wide, bias=False)
        self.mix = nn.Parameter(torch.empty(3 * wide, settings.convolution))
        self.gates = nn.Linear(hidden_size, 3 * settings.heads)
        self.rule = _rule(settings)
        self.output = nn.Linear(wide, hidden_size, bias=False)
        self.gate = nn.Parameter(torch.empty(hidden_size))

    def reset(self) -> None:
        """Draw the first values. The gate is 0, so that the layer is as it was without a memory."""
        for linear in (self.read, self.output):
            nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
        nn.init.normal_(self.mix, std=0.5 * self.mix.shape[1] ** -0.5)
        with torch.no_grad():
            self.mix[:, -1] += 1
            nn.init.zeros_(self.gates.weight)
            first = torch.tensor([first_step(self.settings), _DECAY, _MOMENTUM])
            self.gates.bias.copy_(first.logit().repeat_interleave(self.heads))
        nn.init.zeros_(self.gate)
        self.rule.reset()

    def forward(
        self, x_BTD: Tensor, lengths_B: Tensor, state: BranchState | None = None
    ) -> tuple[Tensor, Tensor | None, BranchState]:
        """Read tokens after those of `state`; rows are padded on the right.

        Returns what is added to the attention's result (B, T, D), the tokens' surprise (B, H, T; None for a rule without), and the
        state after each row's last token.
        """
        weight = self.read.weight
        exact = torch.promote_types(weight.dtype, torch.float32)
        x_BTD, kind = x_BTD.to(exact), x_BTD.dtype
        now_BTO = F.linear(x_BTD, weight.to(exact))
        before_BTO = state.last_BTO if state else now_BTO.new_zeros(len(x_BTD), self.settings.convolution - 1, now_BTO.shape[2])
        line_BTO = torch.cat([before_BTO, now_BTO], 1)
        mixed_BTO = F.silu(F.conv1d(line_BTO.mT, self.mix.to(exact).unsqueeze(1), groups=len(self.mix)).mT)
        key, value, query = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in mixed_BTO.chunk(3, -1)
        )  # each (B, H, T, d)
        gates_BTO = F.linear(x_BTD, self.gates.weight.to(exact), self.gates.bias.to(exact))
        # Neither 0 nor 1, whose logarithms the rules take.
        step, decay, momentum = gates_BTO.sigmoid().clamp(_CLOSED, 1 - _CLOSED).mT.chunk(3, 1)
        reading = Reading(F.normalize(query, dim=-1), F.normalize(key, dim=-1), value, step, decay, momentum, lengths_B)
        answer_BHTd, surprise_BHT, after = self.rule(reading, state.rule if state else None)
        y_BTD = F.linear(answer_BHTd.transpose(1, 2).flatten(2), self.output.weight.to(exact))
        newest = lengths_B[:, None] + torch.arange(before_BTO.shape[1], device=lengths_B.device)
        last_BTO = line_BTO.gather(1, newest.unsqueeze(-1).expand(-1, -1, line_BTO.shape[2]))
        return (self.gate.to(exact).tanh() * y_BTD).to(kind), surprise_BHT, BranchState(last_BTO, after)


def first_step(settings: Memory) -> float:
    """Return how strongly a token writes in a new model, from 0 to 1.

    The gradients of a chunk are taken at its start and add up, as its keys are alike: along what they share, C tokens write
    2θ(1 + (C − 1)c) / (1 − η) of an error, where θ is the step, η the momentum and c the cosine of two keys. Beyond 2 the memory
    swings farther with every chunk, and a model with it learns nothing.
    """
    if settings.rule != "titans":
        return _STEP
    alone = _CHUNK_WRITES / (1 + (settings.chunk - 1) * _ALIKE)
    return alone / 2 * (1 - _MOMENTUM if settings.momentum else 1)


def _rule(settings: Memory) -> Rule:
    s = settings
    match s.rule:
        case "titans":
            return Titans(s.heads, s.width, s.hidden, s.depth, s.chunk, s.momentum, s.decay)
        case "tokenwise":
            return Tokenwise(s.heads, s.width, s.hidden, s.depth)
        case "linear_attention":
            return LinearAttention()
        case "delta" | "gated_delta":
            return Delta(gated=s.rule == "gated_delta")
    raise ValueError(f"{s.rule} has no memory")
