"""The visits of a run as columns: three million of them take 80 MB."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..types import Visit

Ints = NDArray[np.int32]

_AT_ONCE = 50_000  # rows fetched from a ledger at once
_QUERY = "SELECT step, problem_id, n, right, mean_length FROM visits ORDER BY step, problem_id"


@dataclass(frozen=True)
class VisitTable:
    """N visits, the oldest first. Columns are of shape (N,)."""

    problem_ids: Sequence[str] = ()
    """The id of each problem, in the order of the first visits."""
    step: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    problem: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    """Place of the visit's problem in `problem_ids`."""
    n: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    right: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    mean_length: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __len__(self) -> int:
        return len(self.step)

    @classmethod
    def of(cls, visits: Iterable[Visit]) -> "VisitTable":
        """Return these visits as columns."""
        return _from_chunks([[(visit.step, visit.problem_id, visit.n, visit.right, visit.mean_length) for visit in visits]])

    @classmethod
    def read(cls, ledger: sqlite3.Connection) -> "VisitTable":
        """Return all visits of a ledger. Raises sqlite3.Error or ValueError where they cannot be read."""
        cursor = ledger.execute(_QUERY)
        return _from_chunks(iter(lambda: cursor.fetchmany(_AT_ONCE), []))

    def in_training(self) -> "VisitTable":
        """Return the visits without those of a profile, which are of step 0."""
        kept = self.step > 0
        return VisitTable(
            self.problem_ids, self.step[kept], self.problem[kept], self.n[kept], self.right[kept], self.mean_length[kept]
        )


def _from_chunks(chunks: Iterable[Sequence[tuple[int, str, int, int, float]]]) -> VisitTable:
    places: dict[str, int] = {}
    counts: list[Ints] = []  # each (4, visits of the chunk): step, problem, n, right
    lengths: list[NDArray[np.float64]] = []
    for chunk in chunks:
        if not chunk:
            continue
        step, problem_id, n, right, length = zip(*chunk, strict=True)
        problem = [places.setdefault(name, len(places)) for name in problem_id]
        counts.append(np.array([step, problem, n, right], dtype=np.int32))
        lengths.append(np.array(length, dtype=np.float64))
    if not counts:
        return VisitTable()
    step_N, problem_N, n_N, right_N = np.concatenate(counts, axis=1)
    return VisitTable(list(places), step_N, problem_N, n_N, right_N, np.concatenate(lengths))
