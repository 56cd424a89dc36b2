"""The ledger as an estimator: a Beta posterior of every problem's pass rate, from visits in the order in which they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..types import ValueBaseline, Visit
from .step_totals import StepHistory

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """The visits of a field and a level together."""

    step: int = 0
    right: float = 0.0
    """Right rollouts, decayed to `step`."""
    n: float = 0.0
    """Rollouts, decayed to `step`."""
    met: int = 0
    """Rollouts so far, not decayed."""
    value: float = 0.5
    """The highest that its rate has been."""


@dataclass
class PassRatePosterior:
    """Posterior of the pass rate of every problem (a row) and of every cell (a field and a level together).

    A rollout counts 1 in the step in which it was written and half as much `half_life` steps later, since the policy has moved.
    A cell's rate is that of its decayed rollouts, with one of each kind to begin with. A problem's posterior is Beta with
    prior_weight rollouts at its cell's rate, and its own decayed rollouts: untouched for long, it goes back to its cell.
    Values are the highest that a mean has been, so that forgetting and relearning pays nothing (reward prediction error).
    """

    half_life: float = 40.0
    prior_weight: float = 4.0
    steps: StepHistory = field(default_factory=StepHistory)
    """What each step in training came to."""

    def __post_init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._cells: dict[tuple[str, int], int] = {}
        self._of_cell: list[Cell] = []
        self._weights: dict[int, float] = {}
        self.step, self.n, self.right, self.visits, self.streak, self.shortest = (_ints() for _ in range(6))
        self.right_weight, self.wrong_weight, self.value = (np.zeros(_ROOM, dtype=np.float32) for _ in range(3))

    def row(self, problem_id: str) -> int:
        """Return the row of a problem; a new problem gets a new row."""
        row = self._rows.setdefault(problem_id, len(self._rows))
        if row == len(self.n):
            for name in COLUMNS:
                part = getattr(self, name)
                setattr(self, name, np.append(part, np.zeros_like(part)))
        return row

    def cell(self, field: str, level: int) -> int:
        """Return the number of a cell; a new cell gets a new number."""
        cell = self._cells.setdefault((field, level), len(self._cells))
        if cell == len(self._of_cell):
            self._of_cell.append(Cell())
        return cell

    def clear(self) -> None:
        """Forget all visits; every problem keeps its row, every cell its number."""
        for name in COLUMNS:
            getattr(self, name)[:] = 0
        self._of_cell = [Cell()] * len(self._of_cell)
        self.steps = StepHistory()

    @property
    def problem_ids(self) -> list[str]:
        """The id of every problem, in the order of rows."""
        return list(self._rows)

    @property
    def cells(self) -> dict[tuple[str, int], Cell]:
        """Every cell by field and level."""
        return dict(zip(self._cells, self._of_cell, strict=True))

    def fill(
        self, ids: Sequence[str], columns: Mapping[str, NDArray[Any]], cells: Mapping[tuple[str, int], Cell], steps: StepHistory
    ) -> None:
        """Take over a snapshot's state: a value of each of COLUMNS for each id. No visit was observed since `clear`.

        Raises ValueError or LookupError where a column is of another length.
        """
        rows = [self.row(problem_id) for problem_id in ids]
        for name in COLUMNS:
            getattr(self, name)[rows] = columns[name].reshape(len(rows))
        for (field_name, level), cell in cells.items():
            self._of_cell[self.cell(field_name, level)] = cell
        self.steps = steps

    def observe(self, visit: Visit, cell: int) -> None:
        """Take in a visit, later than those before it, of a problem in this cell."""
        row, step, wrong = self.row(visit.problem_id), visit.step, visit.n - visit.right
        weight = self._kept(step - int(self.step[row]))
        self.right_weight[row] = weight * float(self.right_weight[row]) + visit.right
        self.wrong_weight[row] = weight * float(self.wrong_weight[row]) + wrong
        self.step[row], self.n[row], self.right[row] = step, visit.n, visit.right
        self.visits[row] += step > 0
        sign = 0 if wrong and visit.right else 1 if visit.right else -1
        self.streak[row] = sign if sign * self.streak[row] <= 0 else self.streak[row] + sign
        if visit.shortest_right is not None:
            self.shortest[row] = min(self.shortest[row] or visit.shortest_right, visit.shortest_right)
        prior, right_weight = self.prior_weight * self._put_cell(visit, cell), self.right_weight[row]
        mean = (prior + right_weight) / (self.prior_weight + right_weight + self.wrong_weight[row])
        self.value[row] = max(self.value[row], mean)
        if step > 0:
            self.steps.observe(visit)

    def _put_cell(self, visit: Visit, cell: int) -> float:
        """Return the cell's rate after the visit."""
        old = self._of_cell[cell]
        weight = self._kept(visit.step - old.step)
        right, n = weight * old.right + visit.right, weight * old.n + visit.n
        rate = (1 + right) / (2 + n)
        # A maximum over the first few groups would be that of their noise, and stay.
        value = max(old.value, rate) if old.met >= _ENOUGH else rate
        self._of_cell[cell] = Cell(visit.step, right, n, old.met + visit.n, value)
        return rate

    def _kept(self, elapsed: int) -> float:
        """Return `decay` of a number of steps. The few numbers that occur are computed once."""
        weight = self._weights.get(elapsed)
        if weight is None:
            weight = self._weights[elapsed] = float(self.decay(elapsed))
        return weight

    def decay(self, elapsed: "float | Ints") -> "Floats":
        """Return what a rollout still counts after `elapsed` steps, from 1 at 0 to 1/2 at the half-life."""
        weight: Floats = np.exp2(-np.asarray(elapsed) / self.half_life)
        return weight

    def prior(self, step: int) -> Floats:
        """Return (C,), each cell's rate at `step`."""
        return np.array([self._rate(cell, step) for cell in self._of_cell])

    def highest(self) -> Floats:
        """Return (C,), the highest that each cell's rate has been; 0 where its rollouts are too few to say something."""
        return np.array([cell.value if cell.met >= _ENOUGH else 0.0 for cell in self._of_cell])

    def _rate(self, cell: Cell, step: int) -> float:
        weight = self._kept(step - cell.step)
        return (1 + weight * cell.right) / (2 + weight * cell.n)

    def expected(self, problem_id: str, cell: int) -> ValueBaseline:
        """Return the value baseline of one problem of this cell, now."""
        row, level = self.row(problem_id), self._of_cell[cell].value
        return ValueBaseline(
            problem=float(self.value[row]) if self.n[row] else level,
            level=level,
            shortest_right=int(self.shortest[row]) or None,
        )


_ROOM = 1024
_ENOUGH = 32  # rollouts of a cell from which on its rate says something
COLUMNS = ("step", "n", "right", "visits", "streak", "shortest", "right_weight", "wrong_weight", "value")


def _ints() -> Ints:
    return np.zeros(_ROOM, dtype=np.int32)
