"""The rule of Titans: a small network per head, which one step of gradient descent a token teaches to answer keys with values.

Gradients of a chunk are taken at its start, so that a chunk is a few products of matrices (coefficients.py). Chunks are counted
from a row's first token, however its tokens come: read at once, or one by one after a prompt. A row that ends in a chunk keeps what
the chunk has learned so far. Source: arXiv 2501.00663, equations 8 to 18.

Shape suffixes: docs/glossary.md; i and o are inputs and outputs of a matrix of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .coefficients import Coefficients, Gates, coefficients
from .rule import Reading, Rule, State

Matrices = tuple[Tensor, ...]
"""One tensor for each matrix of the memory."""

_LONGEST = 10.0
"""Largest norm of a token's gradient; longer ones are cut to it, so that no text can make the memory grow without end."""


@dataclass(frozen=True)
class TitansState(State):
    """The memory at the start of the current chunk, and what the chunk has learned so far.

    The gradient of the loss ‖M(k) − v‖² by matrix l at a token is errors[l] ⊗ inputs[l].
    """

    matrices: Matrices
    """Each (B, H, o, i)."""
    surprise: Matrices
    """The same, of S; empty without momentum."""
    inputs: Matrices
    """Of each matrix: what the chunk's tokens put into it (B, H, Z, i)."""
    errors: Matrices
    """Of each matrix: the gradient by its outputs (B, H, Z, o)."""
    gates_BHZ3: Tensor
    """Step, decay and momentum of the chunk's tokens."""
    count_B: Tensor
    """Tokens of the chunk so far, fewer than C."""


class Titans(Rule):
    """Matrices with silu between them; their first values are learned with the model.

    What silu gives is scaled to a length of about 1, which keys have: a step of 0.5 then writes about all of an error, whatever the
    number of matrices and their size.
    """

    def __init__(self, heads: int, width: int, hidden: int, depth: int, chunk: int, momentum: bool, decay: bool) -> None:
        """width: numbers of a key and of a value. hidden: of what is between matrices. depth: number of matrices."""
        super().__init__()
        sizes = [width, *[hidden] * (depth - 1), width]
        self.first = nn.ParameterList(torch.empty(heads, o, i) for i, o in pairwise(sizes))
        self.chunk, self.momentum, self.decay = chunk, momentum, decay

    def reset(self) -> None:
        for matrix in self.first:
            nn.init.normal_(matrix)
        nn.init.zeros_(self.first[-1])  # an empty memory answers 0

    def forward(self, reading: Reading, state: TitansState | None) -> tuple[Tensor, Tensor, TitansState]:
        state = state or self._empty(reading)
        gates_BHT3 = torch.stack([reading.step_BHT, reading.decay_BHT, reading.momentum_BHT], -1)
        if reading.key_BHTd.shape[2] == 1:
            return self._one(reading, gates_BHT3, state)
        lengths_B = state.count_B + reading.lengths_B
        chunks = max(1, -(-int(lengths_B.max()) // self.chunk))
        slots = torch.arange(chunks * self.chunk, device=lengths_B.device)
        source_BW = (slots - state.count_B[:, None]).clamp(0, reading.key_BHTd.shape[2] - 1)
        parts = (reading.query_BHTd, reading.key_BHTd, reading.value_BHTd, gates_BHT3)
        query, key, value, gates = (_at(part, source_BW).split(self.chunk, 2) for part in parts)
        answers, norms = [], []
        for index in range(chunks):
            inputs, errors, norm_BHZ = _gradients(state.matrices, key[index], value[index])
            gates_BHZ3 = gates[index]
            if index == 0:  # tokens from before keep the gradients that they had
                before = (slots[: self.chunk] < state.count_B[:, None])[:, None, :, None]
                inputs, errors = (_chosen(before, *each) for each in ((state.inputs, inputs), (state.errors, errors)))
                gates_BHZ3 = torch.where(before, state.gates_BHZ3, gates_BHZ3)
            weights = coefficients(self._gates(gates_BHZ3))
            answers.append(_answers(state, inputs, errors, weights, query[index]))
            norms.append(norm_BHZ)
            now = replace(state, inputs=inputs, errors=errors, gates_BHZ3=gates_BHZ3)
            state = _after(state, now, weights, lengths_B - index * self.chunk, self.chunk)
        place_BT = torch.arange(reading.key_BHTd.shape[2], device=slots.device) + state.count_B[:, None]
        answer_BHTd, norm_BHT = _at(torch.cat(answers, 2), place_BT), _at(torch.cat(norms, 2).unsqueeze(-1), place_BT).squeeze(-1)
        return answer_BHTd, norm_BHT, replace(state, count_B=lengths_B % self.chunk)

    def _one(self, reading: Reading, gates_BH13: Tensor, state: TitansState) -> tuple[Tensor, Tensor, TitansState]:
        """Read one token of each row, or none: what `forward` computes, without the chunk's other tokens."""
        inputs, errors, norm_BH1 = _gradients(state.matrices, reading.key_BHTd, reading.value_BHTd)
        here = (torch.arange(self.chunk, device=state.count_B.device) == state.count_B[:, None])[:, None, :, None]
        now = replace(
            state,
            inputs=_chosen(here, inputs, state.inputs),
            errors=_chosen(here, errors, state.errors),
            gates_BHZ3=torch.where(here, gates_BH13, state.gates_BHZ3),
        )
        weights = coefficients(self._gates(now.gates_BHZ3))
        answer_BH1d = _answers(now, now.inputs, now.errors, _of_token(weights, state.count_B), reading.query_BHTd)
        count_B = state.count_B + reading.lengths_B
        return answer_BH1d, norm_BH1, replace(self._ended(now, count_B), count_B=count_B % self.chunk)

    def _ended(self, now: TitansState, count_B: Tensor) -> TitansState:
        """Return the state in which rows that have filled their chunk are at its end."""
        rows = torch.arange(len(count_B), device=count_B.device)
        if count_B.device.type == "cpu":  # a GPU would have to finish first, and computes all ends at every token instead
            rows = rows[count_B == self.chunk]
            if not len(rows):
                return now
        part = now.rows(rows)
        ended = _after(part, part, coefficients(self._gates(part.gates_BHZ3)), count_B[rows], self.chunk)
        matrices, surprise = (
            tuple(old.index_copy(0, rows, new) for old, new in zip(*pair, strict=True))
            for pair in ((now.matrices, ended.matrices), (now.surprise, ended.surprise))
        )
        return replace(now, matrices=matrices, surprise=surprise)

    def _empty(self, reading: Reading) -> TitansState:
        """Return the state before a row's first token."""
        rows, heads = reading.key_BHTd.shape[:2]
        matrices = tuple(each.to(reading.key_BHTd).expand(rows, -1, -1, -1) for each in self.first)

        def zeros(width: int) -> Tensor:
            return reading.key_BHTd.new_zeros(rows, heads, self.chunk, width)

        return TitansState(
            matrices,
            tuple(map(torch.zeros_like, matrices)) if self.momentum else (),
            tuple(zeros(each.shape[3]) for each in matrices),
            tuple(zeros(each.shape[2]) for each in matrices),
            zeros(3) + 0.5,  # of tokens that are yet to come: any number that has a logarithm
            torch.zeros_like(reading.lengths_B),
        )

    def _gates(self, gates_BHZ3: Tensor) -> Gates:
        step, decay, momentum = gates_BHZ3.unbind(-1)
        return Gates(step, decay if self.decay else torch.zeros_like(decay), momentum if self.momentum else None)


def _at(values_BHTd: Tensor, places_BW: Tensor) -> Tensor:
    """Return the values at these places of each row (B, H, W, d); places beyond the last are the last."""
    places_BW = places_BW.clamp(max=values_BHTd.shape[2] - 1)
    return values_BHTd.gather(2, places_BW[:, None, :, None].expand(-1, values_BHTd.shape[1], -1, values_BHTd.shape[3]))


def network(matrices: Matrices, x_BHTd: Tensor) -> Tensor:
    """Return what a memory with these matrices, (B, H, o, i) or (H, o, i), answers (B, H, T, d)."""
    for matrix in matrices[:-1]:
        x_BHTd = _scale(matrix) * F.silu(x_BHTd @ matrix.mT)
    return x_BHTd @ matrices[-1].mT


def _gradients(matrices: Matrices, key_BHZd: Tensor, value_BHZd: Tensor) -> tuple[Matrices, Matrices, Tensor]:
    """Return the inputs and errors of each matrix (see `TitansState`), and the norm of each token's gradient (B, H, Z)."""
    inputs, between = [key_BHZd], []
    for matrix in matrices[:-1]:
        between.append(inputs[-1] @ matrix.mT)
        inputs.append(_scale(matrix) * F.silu(between[-1]))
    errors = [2 * (inputs[-1] @ matrices[-1].mT - value_BHZd)]
    for matrix, sums in zip(reversed(matrices[1:]), reversed(between), strict=True):
        share = sums.sigmoid()
        errors.insert(0, _scale(matrix.mT) * (errors[0] @ matrix) * share * (1 + sums * (1 - share)))
    squares = torch.stack([e.square().sum(-1) * i.square().sum(-1) for e, i in zip(errors, inputs, strict=True)]).sum(0)
    norm_BHZ = torch.sqrt(squares + 1e-12)
    cut = (_LONGEST / norm_BHZ).clamp(max=1).unsqueeze(-1)
    return tuple(inputs), tuple(each * cut for each in errors), norm_BHZ


def _scale(matrix: Tensor) -> float:
    """Return what makes silu of this matrix's outputs, drawn from a normal distribution, as long as a key."""
    return float((0.356 * matrix.shape[-2]) ** -0.5)  # 0.356: mean of silu(z)² there


def _answers(state: TitansState, inputs: Matrices, errors: Matrices, weights: Coefficients, query: Tensor) -> Tensor:
    """Return what the memory answers each token of the chunk (B, H, Z, d), with what was written up to that token."""
    keep, late = weights.keep_BHZ.unsqueeze(-1), None if weights.late_BHZ is None else weights.late_BHZ.unsqueeze(-1)
    answer = query
    for index, matrix in enumerate(state.matrices):
        if index:
            answer = _scale(matrix.mT) * F.silu(answer)
        written = (weights.write_BHZZ * (answer @ inputs[index].mT)) @ errors[index]
        kept = keep * (answer @ matrix.mT) - written
        answer = kept if late is None else kept + late * (answer @ state.surprise[index].mT)
    return answer


def _of_token(weights: Coefficients, place_B: Tensor) -> Coefficients:
    """Return the weights after one token of each row only, that at this place of the chunk."""
    index_BH1 = place_B[:, None, None].expand(-1, weights.keep_BHZ.shape[1], -1)
    write_BH1Z = weights.write_BHZZ.gather(2, index_BH1.unsqueeze(-1).expand(-1, -1, -1, weights.write_BHZZ.shape[3]))
    late_BH1 = None if weights.late_BHZ is None else weights.late_BHZ.gather(2, index_BH1)
    return Coefficients(weights.keep_BHZ.gather(2, index_BH1), late_BH1, write_BH1Z, None, None)


def _after(state: TitansState, now: TitansState, weights: Coefficients, left_B: Tensor, size: int) -> TitansState:
    """Return the state after a chunk. now: with what the chunk has learned. left_B: tokens of each row from the chunk's start on.

    Rows that fill the chunk have its end as their new start. Rows that end in it keep it open. Rows that ended before stay.
    """
    full, open_ = left_B >= size, (left_B >= 0) & (left_B < size)
    ends = [_end(now, weights, index) for index in range(len(state.matrices))]
    return TitansState(
        _chosen(_wide(full), tuple(end for end, _ in ends), state.matrices),
        _chosen(_wide(full), tuple(late for _, late in ends if late is not None), state.surprise),
        _chosen(_wide(open_), now.inputs, state.inputs),
        _chosen(_wide(open_), now.errors, state.errors),
        torch.where(_wide(open_), now.gates_BHZ3, state.gates_BHZ3),
        state.count_B,
    )


def _end(now: TitansState, weights: Coefficients, index: int) -> tuple[Tensor, Tensor | None]:
    """Return a matrix of the memory at the chunk's end, and its surprise there."""

    def gradients(weights_BHZ: Tensor) -> Tensor:
        return (now.errors[index] * weights_BHZ.unsqueeze(-1)).mT @ now.inputs[index]

    end = weights.keep_BHZ[..., -1, None, None] * now.matrices[index] - gradients(weights.write_BHZZ[..., -1, :])
    if weights.late_BHZ is None or weights.pass_BHZ is None or weights.pass_on_BH is None:
        return end, None
    surprise = now.surprise[index]
    end = end + weights.late_BHZ[..., -1, None, None] * surprise
    return end, weights.pass_on_BH[..., None, None] * surprise - gradients(weights.pass_BHZ)


def _wide(mask_B: Tensor) -> Tensor:
    return mask_B[:, None, None, None]


def _chosen(mask: Tensor, these: Matrices, others: Matrices) -> Matrices:
    return tuple(torch.where(mask, a, b) for a, b in zip(these, others, strict=True))
