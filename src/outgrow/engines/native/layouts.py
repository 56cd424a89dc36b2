"""Which layout each matrix of a model is stored in: the one that multiplies fastest here, measured once a machine.

Layouts round differently, so a run keeps those that it began with on machines of the same kind (`state_dict`).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...core.callbacks import Warn
from .int8_matrices import FbgemmInt8Matrix, OneDNNInt8Matrix
from .machine import load_layouts, machine, save_layouts
from .matrices import Matrix, MKLMatrix, OneDNNMatrix, PlainMatrix

Layout = type[PlainMatrix] | type[MKLMatrix] | type[OneDNNMatrix] | type[OneDNNInt8Matrix] | type[FbgemmInt8Matrix]

# The first that fits is taken where nothing is measured, and where no other is clearly faster.
EXACT: dict[str, Layout] = {"mkl": MKLMatrix, "onednn": OneDNNMatrix, "plain": PlainMatrix}
INT8: dict[str, Layout] = {"onednn-int8": OneDNNInt8Matrix, "fbgemm-int8": FbgemmInt8Matrix}

_SMALLEST = 2**18
"""Weights of the smallest matrix that is measured. Below, the calls take longer than the products."""
_OUTPUTS = 8192
"""Most outputs that are measured: a head of 150,000 takes as long an output."""
_ROWS = (8, 64)
"""Rows of the products that are measured, which count the same: a step decodes fewer and fewer rows, a token at a time."""
_ROUNDS, _ROUND_S = 5, 0.002
_FASTER = 0.9
"""Share of the first layout's time that another one has to stay below: timings vary, and a run's bits should not."""

_LONGEST_NAME = 400
"""Characters of the longest name of a kind of machine."""


@dataclass(frozen=True)
class _Timed:
    layout: str
    """Its name."""
    seconds: float
    """Of one product with each number of rows, the best of some rounds."""


class Layouts:
    """Chooses layouts, and remembers what it chose."""

    def __init__(self, warn: Warn) -> None:
        """warn: told where a run's own layouts are not those of this machine."""
        self._warn = warn
        self._chosen: dict[str, str] = {}

    def exact(self, weight: Tensor, bias: Tensor | None = None) -> Matrix:
        """Store a matrix (outputs, inputs) with its weights as they are."""
        return self._store(EXACT, weight, bias)

    def int8(self, weight: Tensor, bias: Tensor | None = None) -> Matrix:
        """Store a matrix (outputs, inputs) in int8. `has_int8` says whether this machine can."""
        return self._store(INT8, weight, bias)

    def state_dict(self) -> dict[str, Any]:
        """Return what was chosen by measurement, and on which kind of machine, for a checkpoint; empty where nothing was."""
        return {"machine": machine(), "chosen": dict(self._chosen)} if self._chosen else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a run's layouts, which `require_state` accepts. On another kind of machine, say so and choose again."""
        if state and state.get("machine") == machine():
            self._chosen |= state.get("chosen", {})
        elif state:
            self._warn(
                f"this run computed its answers on another kind of machine ({state.get('machine')}; this is {machine()}), whose "
                "products round differently; results may differ in the last bits"
            )

    def _store(self, layouts: Mapping[str, Layout], weight: Tensor, bias: Tensor | None) -> Matrix:
        fitting = [name for name, layout in layouts.items() if layout.fits(weight)]
        if len(fitting) == 1 or weight.numel() < _SMALLEST:
            return layouts[fitting[0]](weight, bias)
        kind = "int8" if layouts is INT8 else str(weight.dtype).removeprefix("torch.")
        key = f"{weight.shape[0]} x {weight.shape[1]} {kind}"
        if self._chosen.get(key) not in fitting:
            self._chosen[key] = _known_or_measured(key, {name: layouts[name] for name in fitting}, weight)
        return layouts[self._chosen[key]](weight, bias)


def require_state(state: object) -> None:
    """Raise ValueError where this is not what `Layouts.state_dict` returns: a checkpoint of others may hold anything."""
    if state == {}:
        return
    where, chosen = (state.get("machine"), state.get("chosen")) if isinstance(state, dict) else (None, None)
    if not isinstance(where, str) or not where.isprintable() or len(where) > _LONGEST_NAME:
        raise ValueError("layouts: machine is not the name of a kind of machine")
    if not isinstance(chosen, dict) or not all(isinstance(layout, str) for layout in chosen.values()):
        raise ValueError("layouts: chosen is not a table of layouts by matrix")


def has_int8(like: Tensor) -> bool:
    """Return whether this machine multiplies matrices of this type and device in int8."""
    return like.dtype == torch.float32 and any(layout.fits(like) for layout in INT8.values())


def _known_or_measured(key: str, layouts: Mapping[str, Layout], weight: Tensor) -> str:
    """Return the layout that this machine is known to be fastest with; the first time, measure it."""
    known = load_layouts()
    if known.get(key) not in layouts:
        known[key] = fastest(layouts, weight[:_OUTPUTS])
        save_layouts(known)
    return known[key]


def fastest(layouts: Mapping[str, Callable[[Tensor], Matrix]], weight: Tensor) -> str:
    """Return the name of the layout that multiplies fastest with this matrix (outputs, inputs)."""
    with torch.no_grad():
        timed = _timed({name: layout(weight) for name, layout in layouts.items()}, weight)
    best = min(timed, key=lambda one: one.seconds)
    return best.layout if best.seconds < _FASTER * timed[0].seconds else timed[0].layout


def _timed(matrices: Mapping[str, Matrix], weight: Tensor) -> list[_Timed]:
    seconds = dict.fromkeys(matrices, 0.0)
    for rows in _ROWS:
        x = torch.ones(rows, weight.shape[1], dtype=weight.dtype, device=weight.device)
        # In turn, so that a slow moment of the machine meets all of them.
        rounds = [{name: _seconds_of_a_call(matrix, x) for name, matrix in matrices.items()} for _ in range(_ROUNDS)]
        for name in matrices:
            seconds[name] += min(each[name] for each in rounds)
    return [_Timed(name, value) for name, value in seconds.items()]


def _seconds_of_a_call(matrix: Matrix, x: Tensor) -> float:
    matrix(x)
    began, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - began < _ROUND_S:
        matrix(x)
        calls += 1
    return (time.perf_counter() - began) / calls
