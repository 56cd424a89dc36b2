"""The pass-rate ledger: every visit of every problem, in one SQLite file that outlives the process.

A visit is one group: the step it was written in, how many rollouts it had, how many were right, how long they were. Nothing
is ever overwritten, so the state at any step can be had again by dropping what came after it.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import OutgrowError
from ..problems import Problem
from .known import Known, LastVisits

_SCHEMA = """
CREATE TABLE IF NOT EXISTS problems (
    id TEXT PRIMARY KEY, field TEXT NOT NULL, level INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS visits (
    step INTEGER NOT NULL, problem_id TEXT NOT NULL REFERENCES problems(id),
    n INTEGER NOT NULL CHECK (n > 0), right INTEGER NOT NULL CHECK (right BETWEEN 0 AND n), mean_length REAL NOT NULL,
    PRIMARY KEY (step, problem_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS visits_by_problem ON visits (problem_id, step);
"""


@dataclass(frozen=True)
class Visit:
    """One group of one problem. mean_length: completion tokens."""

    step: int
    problem_id: str
    n: int
    right: int
    mean_length: float

    @property
    def pass_rate(self) -> float:
        """Share of right rollouts."""
        return self.right / self.n


class Ledger:
    """All visits of a run. Use as a context manager, or close() it."""

    def __init__(self, path: Path) -> None:
        """Open the ledger at `path`, making it where there is none. Raises OutgrowError where the file is no ledger."""
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            # FULL: a checkpoint must never be newer than the ledger it belongs to, also after a power cut.
            self._db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; {_SCHEMA}")
            self._last = LastVisits()
            self._read_last()
        except sqlite3.Error as error:
            raise OutgrowError(f"{path}: cannot open this ledger ({error}); restore it from a copy, or start a new run") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enter(self, problems: Iterable[Problem]) -> None:
        """Make the problems known (again is fine)."""
        rows = [(problem.id, problem.field, problem.level) for problem in problems]
        with _transaction(self._db):
            self._db.executemany("INSERT OR IGNORE INTO problems VALUES (?, ?, ?)", rows)

    def record(self, visits: Iterable[Visit]) -> None:
        """Add the visits of a step, all or none; steps come in order."""
        visits = list(visits)
        with _transaction(self._db):
            self._db.executemany(
                "INSERT INTO visits VALUES (?, ?, ?, ?, ?)",
                [(v.step, v.problem_id, v.n, v.right, v.mean_length) for v in visits],
            )
        for v in visits:
            self._last.put(v.problem_id, v.step, v.n, v.right)

    def rewind(self, step: int) -> None:
        """Forget every visit after `step`."""
        with _transaction(self._db):
            self._db.execute("DELETE FROM visits WHERE step > ?", (step,))
        self._read_last()

    def known(self, problems: Sequence[Problem]) -> Known:
        """What is known of these problems, now and after every later record and rewind."""
        return Known(problems, self._last)

    def visits(self) -> list[Visit]:
        """Every visit, oldest first."""
        rows = self._db.execute("SELECT step, problem_id, n, right, mean_length FROM visits ORDER BY step, problem_id")
        return [Visit(*row) for row in rows]

    def _read_last(self) -> None:
        self._last.clear()
        # SQLite takes the other columns from the row that holds the maximum.
        for row in self._db.execute("SELECT problem_id, max(step), n, right FROM visits GROUP BY problem_id"):
            self._last.put(*row)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """BEGIN … COMMIT, or ROLLBACK where the block raises."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
