"""What is known of a source's problems, as arrays, so that a million of them are weighed at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..problems import Problem

Ints = NDArray[np.int64]


class LastVisits:
    """The last visit of every problem. By row, one for each: step, rollouts (n), and right ones; all 0 before the first visit."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self.step, self.n, self.right = _zeros(), _zeros(), _zeros()

    def row(self, problem_id: str) -> int:
        """The row of a problem, a new one where it has none."""
        row = self._rows.setdefault(problem_id, len(self._rows))
        if row == len(self.n):
            self.step, self.n, self.right = (np.append(part, np.zeros_like(part)) for part in (self.step, self.n, self.right))
        return row

    def put(self, problem_id: str, step: int, n: int, right: int) -> None:
        """A later visit."""
        row = self.row(problem_id)
        self.step[row], self.n[row], self.right[row] = step, n, right

    def clear(self) -> None:
        """Forget all visits; every problem keeps its row."""
        for part in (self.step, self.n, self.right):
            part[:] = 0


def _zeros() -> Ints:
    return np.zeros(1024, dtype=np.int64)


class Known:
    """A place for each of N problems, in their order. It follows the ledger that it came from.

    problems: the problems themselves. cell_N: which of C cells (a field and a level together) each is in.
    """

    def __init__(self, problems: Sequence[Problem], last: LastVisits) -> None:
        """last: of every problem that the ledger knows."""
        cells: dict[tuple[str, int], int] = {}
        self.problems = problems
        self.cell_N: Ints = np.array([cells.setdefault((problem.field, problem.level), len(cells)) for problem in problems])
        rows_N = np.array([last.row(problem.id) for problem in problems])
        # Rows in one piece, as a source's usually are, are looked at where they lie.
        whole = bool((np.diff(rows_N) == 1).all())
        self._rows: slice | Ints = slice(rows_N[0], rows_N[-1] + 1) if whole else rows_N
        self._last = last

    def __len__(self) -> int:
        return len(self.problems)

    @property
    def n_N(self) -> Ints:
        """Rollouts of the last visit; 0 where a problem was never met."""
        return self._last.n[self._rows]

    @property
    def right_N(self) -> Ints:
        """Right ones among them."""
        return self._last.right[self._rows]

    @property
    def step_N(self) -> Ints:
        """The step of the last visit; 0 where a problem was never met."""
        return self._last.step[self._rows]
