"""The pass-rate ledger: every visit of every problem, in one SQLite file that outlives the process.

A visit is one group: the step it was written in, how many rollouts it had, how many were right, how long they were. Nothing
is ever overwritten, so the state at any step comes back by dropping what came after it. Step 0 is the profile from before
training.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

from ..core.errors import OutgrowError, reason
from ..core.files import require_regular
from ..types import Problem, ValueBaseline, Visit
from .ledger_file import READ_VISITS, SCHEMA, NotALedger, require_ledger
from .posterior import PassRatePosterior
from .problem_stats import ProblemStats


class Ledger:
    """All visits of a run. Use as a context manager, or close() it."""

    def __init__(self, path: Path, evidence: PassRatePosterior | None = None) -> None:
        """Open the ledger at `path`, or make it. evidence: an empty posterior with the recipe's settings.

        Raises OutgrowError where the file is not a ledger.
        """
        try:
            if path.exists():
                require_regular(path)
            self._db = sqlite3.connect(path, isolation_level=None)
            # FULL: a checkpoint must never be newer than the ledger it belongs to, also after a power cut.
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
            require_ledger(self._db)
            if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._db.executescript(f"BEGIN; {SCHEMA} COMMIT")
            self._evidence = evidence or PassRatePosterior()
            self._replay()
        except (sqlite3.Error, NotALedger, OSError) as error:
            raise OutgrowError(
                f"{path}: cannot open this ledger ({reason(error)}); restore it from a copy, or start a new run"
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enter(self, problems: Iterable[Problem]) -> None:
        """Add problems; those that are known stay as they are."""
        rows = [(problem.id, problem.field, problem.level) for problem in problems]
        with _transaction(self._db):
            self._db.executemany("INSERT OR IGNORE INTO problems VALUES (?, ?, ?)", rows)

    def record(self, visits: Iterable[Visit]) -> None:
        """Add the visits of a step, all or none; steps come in order."""
        visits = sorted(visits, key=lambda visit: (visit.step, visit.problem_id))  # as they are read back
        with _transaction(self._db):
            self._db.executemany("INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?, ?)", map(astuple, visits))
        for visit in visits:
            self._evidence.observe(visit, self._cell(visit.problem_id))

    def rewind(self, step: int) -> None:
        """Forget every visit after `step`."""
        with _transaction(self._db):
            self._db.execute("DELETE FROM visits WHERE step > ?", (step,))
        self._replay()

    def known(self, problems: Sequence[Problem]) -> ProblemStats:
        """Return what is known of these problems; it follows every later record and rewind."""
        return ProblemStats(problems, self._evidence)

    def expected(self, problem: Problem) -> ValueBaseline:
        """Return the value baseline of one problem, now."""
        return self._evidence.expected(problem.id, self._evidence.cell(problem.field, problem.level))

    def visits(self) -> list[Visit]:
        """Return every visit, oldest first."""
        return [Visit(*row) for row in self._db.execute(READ_VISITS)]

    def _replay(self) -> None:
        self._evidence.clear()
        cells = {
            problem_id: self._evidence.cell(field, level)
            for problem_id, field, level in self._db.execute(
                "SELECT id, field, level FROM problems WHERE id IN (SELECT problem_id FROM visits)"
            )
        }
        for visit in self.visits():
            self._evidence.observe(visit, cells[visit.problem_id])

    def _cell(self, problem_id: str) -> int:
        [cell] = self._db.execute("SELECT field, level FROM problems WHERE id = ?", (problem_id,))
        return self._evidence.cell(*cell)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Run the block as one transaction: COMMIT at its end, ROLLBACK where it raises."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
