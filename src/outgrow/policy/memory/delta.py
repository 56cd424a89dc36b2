"""Rivals of Titans with one matrix a head, which are exact in chunks of any size: linear attention, DeltaNet and Gated DeltaNet.

    linear attention    S_t = (1 - α_t) S_{t-1} + β_t k_t v_tᵀ
    DeltaNet            S_t = S_{t-1} + β_t k_t (v_t - S_{t-1}ᵀ k_t)ᵀ                       arXiv 2406.06484
    Gated DeltaNet      S_t = (1 - α_t) S_{t-1} + β_t k_t (v_t - (1 - α_t) S_{t-1}ᵀ k_t)ᵀ     arXiv 2412.06464

The two delta rules are transformers' own functions for Qwen3-Next. Shape suffixes: docs/glossary.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .coefficients import Gates, coefficients
from .rule import Reading, Rule, State

_CHUNK = 32
"""Tokens that are computed together; results do not depend on it."""


@dataclass(frozen=True)
class MatrixState(State):
    """A matrix of each head."""

    matrix_BHdd: Tensor
    """From keys to values."""


class Delta(Rule):
    """The delta rule, which writes what the memory answers wrongly."""

    def __init__(self, gated: bool) -> None:
        """gated: let the memory decay, which is Gated DeltaNet."""
        super().__init__()
        self.gated = gated

    def forward(self, reading: Reading, state: MatrixState | None) -> tuple[Tensor, None, MatrixState]:
        from transformers.models.qwen3_next import modeling_qwen3_next as qwen3_next

        step_BHT, kept_BHT = _writes(reading)
        kept_BHT = kept_BHT if self.gated else torch.zeros_like(kept_BHT)
        query, key, value = (part.transpose(1, 2) for part in (reading.query_BHTd, reading.key_BHTd, reading.value_BHTd))
        # A chunk of one token would cost as much as a full one.
        one = key.shape[1] == 1
        rule = qwen3_next.torch_recurrent_gated_delta_rule if one else qwen3_next.torch_chunk_gated_delta_rule
        answer, matrix = rule(
            query * query.shape[-1] ** 0.5,  # which the function takes away
            key,
            value,
            g=kept_BHT.transpose(1, 2),
            beta=step_BHT.transpose(1, 2),
            **({} if one else {"chunk_size": _CHUNK}),
            initial_state=None if state is None else state.matrix_BHdd,
            output_final_state=True,
        )
        return answer.transpose(1, 2), None, MatrixState(matrix)

    def wrong(self, reading: Reading, state: MatrixState | None) -> Tensor:
        """Return the length of the difference that each token writes (B, H, T): ‖v_t − (1 − α_t) S_{t-1}ᵀ k_t‖; DeltaNet has no α.

        A pass asks the memory after each token for the next one's key. Training needs no surprise, so `forward` computes none.
        """
        key_BHTd = reading.key_BHTd
        first_BH1d = key_BHTd[:, :, :1] @ state.matrix_BHdd.to(key_BHTd) if state else torch.zeros_like(key_BHTd[:, :, :1])
        later_BHTd, *_ = self.forward(replace(reading, query_BHTd=key_BHTd.roll(-1, 2)), state)
        answer_BHTd = torch.cat([first_BH1d, later_BHTd[:, :, :-1].to(key_BHTd)], 2)
        if self.gated:
            answer_BHTd = (1 - reading.decay_BHT).unsqueeze(-1) * answer_BHTd
        length_BHT: Tensor = torch.linalg.vector_norm(reading.value_BHTd - answer_BHTd, dim=-1)
        return length_BHT


class LinearAttention(Rule):
    """Every value is added to the matrix, whether it is known or not."""

    def forward(self, reading: Reading, state: MatrixState | None) -> tuple[Tensor, None, MatrixState]:
        step_BHT, kept_BHT = _writes(reading)
        rows, heads, _, width = reading.key_BHTd.shape
        matrix = state.matrix_BHdd if state else reading.key_BHTd.new_zeros(rows, heads, width, width)
        answers = []
        parts = (reading.query_BHTd, reading.key_BHTd, reading.value_BHTd, step_BHT, kept_BHT)
        for query, key, value, step, kept in zip(*(part.split(_CHUNK, 2) for part in parts), strict=True):
            weights = coefficients(Gates(step, -torch.expm1(kept), None))
            answers.append(weights.keep_BHZ.unsqueeze(-1) * (query @ matrix) + (weights.write_BHZZ * (query @ key.mT)) @ value)
            written = (key * weights.write_BHZZ[..., -1, :].unsqueeze(-1)).mT @ value
            matrix = weights.keep_BHZ[..., -1, None, None] * matrix + written
        return torch.cat(answers, 2), None, MatrixState(matrix)


def _writes(reading: Reading) -> tuple[Tensor, Tensor]:
    """Return how strongly each token writes, and the logarithm of what it keeps; padding writes nothing and keeps all."""
    width = reading.step_BHT.shape[-1]
    real = (torch.arange(width, device=reading.lengths_B.device) < reading.lengths_B[:, None])[:, None]
    return torch.where(real, reading.step_BHT, 0.0), torch.where(real, torch.log1p(-reading.decay_BHT), 0.0)
