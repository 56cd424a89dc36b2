"""The pass-rate ledger: every visit of every problem, in one SQLite file that outlives the process.

A visit is one group: the step it was written in, how many rollouts it had, how many were right, how long they were. Nothing
is ever overwritten, so the state at any step comes back by dropping what came after it. Step 0 is the profile from before
training. Snapshots of the posterior make opening a long run quick (`snapshots.py`).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import astuple
from pathlib import Path

from ..core.disk import fault_of
from ..core.errors import OutgrowError, reason
from ..core.sqlite_file import ForeignFile, make_tables, open_sqlite
from ..types import Problem, ValueBaseline, Visit
from .ledger_file import SCHEMA, VISIT, require_ledger
from .posterior import PassRatePosterior
from .problem_stats import ProblemStats
from .snapshots import VISITS_BETWEEN, VisitSums, load_newest, write_snapshot


class Ledger:
    """All visits of a run. Use as a context manager, or close() it."""

    def __init__(self, path: Path, evidence: PassRatePosterior | None = None) -> None:
        """Open the ledger at `path`, or make it. evidence: an empty posterior with the recipe's settings.

        Raises OutgrowError where the file is not a ledger.
        """
        self._path = path
        try:
            self._db = open_sqlite(path)
            # FULL: a checkpoint must never be newer than the ledger it belongs to, also after a power cut.
            self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
            require_ledger(self._db)
            make_tables(self._db, SCHEMA)
            self._evidence = evidence or PassRatePosterior()
            self._replayable = 0  # visits after the newest snapshot
            self._last_step, self._sums = -1, VisitSums()  # through the newest visit
            self._replay()
        except (sqlite3.Error, ForeignFile, OSError) as error:
            if fault := fault_of(error):
                raise OutgrowError(f"{path}: {fault}, then run the same command again") from error
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
            if self._replayable >= VISITS_BETWEEN and visits and visits[0].step > self._last_step:
                write_snapshot(self._db, self._evidence, self._last_step, self._sums)
                self._replayable = 0
            self._db.executemany("INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?, ?)", map(astuple, visits))
        for visit in visits:
            self._observe(visit, self._cell(visit.problem_id))

    def rewind(self, step: int) -> None:
        """Forget every visit after `step`."""
        with _transaction(self._db):
            dropped = self._db.execute("DELETE FROM visits WHERE step > ?", (step,)).rowcount
            self._db.execute("DELETE FROM snapshots WHERE step > ?", (step,))
        if dropped:
            self._replay()

    def known(self, problems: Sequence[Problem]) -> ProblemStats:
        """Return what is known of these problems; it follows every later record and rewind."""
        return ProblemStats(problems, self._evidence)

    def expected(self, problem: Problem) -> ValueBaseline:
        """Return the value baseline of one problem, now."""
        return self._evidence.expected(problem.id, self._evidence.cell(problem.field, problem.level))

    def mean_lengths(self, problem_ids: Sequence[str], default: float) -> list[float]:
        """Return the mean completion length of each problem's last visit, in tokens; `default` where it has none, or says none.

        It may be asked in any thread, while nobody records.
        """
        last = "SELECT mean_length FROM visits WHERE problem_id = ? ORDER BY step DESC LIMIT 1"
        with closing(open_sqlite(self._path)) as db:  # a connection belongs to its thread
            return [next((row[0] for row in db.execute(last, (each,))), 0.0) or default for each in problem_ids]

    def visits(self) -> list[Visit]:
        """Return every visit, oldest first."""
        return [Visit(*row) for row in self._db.execute(f"SELECT {VISIT} FROM visits ORDER BY step, problem_id")]

    def has_profile(self) -> bool:
        """Return whether it holds visits from before training."""
        return self._db.execute("SELECT 1 FROM visits WHERE step = 0 LIMIT 1").fetchone() is not None

    def rollouts(self) -> int:
        """Return the number of rollouts of all visits."""
        return self._sums.n

    def _replay(self) -> None:
        """Bring the posterior to where the visits are: from the newest snapshot, with every visit after it."""
        self._evidence.clear()
        self._replayable = 0
        self._last_step, self._sums = load_newest(self._db, self._evidence)
        after = (self._last_step,)
        cells = {
            problem_id: self._evidence.cell(field, level)
            for problem_id, field, level in self._db.execute(
                "SELECT id, field, level FROM problems WHERE id IN (SELECT problem_id FROM visits WHERE step > ?)", after
            )
        }
        for row in self._db.execute(f"SELECT {VISIT} FROM visits WHERE step > ? ORDER BY step, problem_id", after):
            visit = Visit(*row)
            self._observe(visit, cells[visit.problem_id])

    def _observe(self, visit: Visit, cell: int) -> None:
        self._evidence.observe(visit, cell)
        self._replayable += 1
        self._last_step, self._sums = visit.step, self._sums.plus(visit)

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
        with suppress(sqlite3.Error):  # SQLite has done it where the disk is full
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
