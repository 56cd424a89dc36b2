"""An index of all rollouts of a run, without their texts; it grows as the run writes.

Each file is read once. The index keeps 17 bytes per rollout, the counts of each group and the question of each problem. Texts are
read again from the few files that hold the rows of a page, so that no page waits for a whole run.
"""

import gc
import time
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...core.files import require_regular
from ...core.rollout_log import read_part, rollouts_folder
from ...types import Verdict, Visit

VERDICTS = tuple(Verdict)
_COLUMNS = ("step", "problem_id", "field", "level", "question", "answer", "verdict", "length")
_SHOWN = {"completion", "extracted", "reward", "advantage"}  # other columns that a page shows
_MANY = 64  # files read at once, as for a long run that is opened first
ROW = np.dtype([("step", np.int32), ("row", np.int32), ("problem", np.int32), ("verdict", np.int8), ("length", np.int32)])

Rows = NDArray[np.void]


class Practised(NamedTuple):
    """A practised problem."""

    problem_id: str
    field: str
    level: int
    question: str
    answer: str


class RolloutIndex:
    """The rollouts of one run. Safe to use from several threads."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.problems: list[Practised] = []
        self._codes: dict[str, int] = {}
        self._parts: dict[Path, tuple[tuple[int, int], Rows, list[Visit]]] = {}
        self._unreadable: dict[Path, tuple[int, int]] = {}
        self._rows: Rows = np.empty(0, ROW)
        self._lock = Lock()
        self.unread = 0
        self.visits: list[Visit] = []
        # The rows that the list of problems was last made from, and that list; valid until the run writes more.
        self.cached: tuple[Rows, list[Any]] | None = None

    @property
    def unreadable(self) -> list[str]:
        """Names of damaged files."""
        return sorted(path.name for path in self._unreadable)

    def refresh(self, seconds: float) -> Rows:
        """Read new files, newest first, for about `seconds`; `unread` files are left for the next time.

        Return all known rows, by step and row of its file. A file that was written again, as after a resume, is read again.
        """
        with self._lock:
            stamps = {path: stamp for path in rollouts_folder(self.run).glob("step-*.parquet") if (stamp := stamp_of(path))}
            gone = [path for path, (stamp, *_) in self._parts.items() if stamps.get(path) != stamp]
            for path in gone:
                del self._parts[path]
            self._unreadable = {path: stamp for path, stamp in self._unreadable.items() if stamps.get(path) == stamp}
            new = sorted((path for path in stamps if path not in self._parts and path not in self._unreadable), reverse=True)
            until, read = time.monotonic() + seconds, 0
            for path in new:
                try:
                    rows = self._read(path)
                    self._parts[path] = stamps[path], rows, visits_of(rows)
                except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, OverflowError):
                    self._unreadable[path] = stamps[path]
                read += 1
                if time.monotonic() > until:
                    break
            self.unread = len(new) - read
            if gone or read:
                parts = [self._parts[path][1] for path in sorted(self._parts)]
                self._rows = np.concatenate(parts) if parts else np.empty(0, ROW)
                self.visits = [visit for path in sorted(self._parts) for visit in self._parts[path][2]]
            if read >= _MANY:
                gc.freeze()  # the rows stay; a search for cycles in them would cost a page over a million rollouts 0.4 s
            return self._rows

    def _read(self, path: Path) -> Rows:
        require_regular(path)
        file = pq.ParquetFile(path)
        if missing := _SHOWN - set(file.schema_arrow.names):
            raise KeyError(missing)
        columns = file.read(columns=list(_COLUMNS)).to_pydict()
        rows = np.empty(len(columns["step"]), ROW)
        rows["step"], rows["row"], rows["length"] = columns["step"], np.arange(len(rows)), columns["length"]
        rows["verdict"] = [VERDICTS.index(Verdict(verdict)) for verdict in columns["verdict"]]
        about = zip(*(columns[name] for name in ("problem_id", "field", "level", "question", "answer")), strict=True)
        rows["problem"] = [self._code(Practised(*values)) for values in about]
        return rows

    def _code(self, problem: Practised) -> int:
        code = self._codes.setdefault(problem.problem_id, len(self.problems))
        if code == len(self.problems):
            self.problems.append(problem)
        return code

    def code_of(self, problem_id: str) -> int | None:
        """Return the number of a problem in the rows, None where it was not practised."""
        return self._codes.get(problem_id)

    def texts(self, rows: Rows) -> list[dict[str, Any]]:
        """Return the whole rollouts of a few rows, without those whose file has gone."""
        parts: dict[int, list[dict[str, Any]]] = {}
        for step in {int(step) for step in rows["step"]}:
            try:
                parts[step] = read_part(self.run, step)
            except (OSError, pa.ArrowException):
                parts[step] = []
        places = [(int(row["step"]), int(row["row"])) for row in rows]
        return [parts[step][place] for step, place in places if place < len(parts[step])]


def visits_of(rows: Rows) -> list[Visit]:
    """Return every group among the rows as a visit, oldest first. Its problem_id is the problem's number, as text."""
    if not len(rows):
        return []
    size = int(rows["problem"].max()) + 1
    keys, group = np.unique(rows["step"].astype(np.int64) * size + rows["problem"], return_inverse=True)
    n = np.bincount(group)
    right = np.bincount(group, rows["verdict"] == VERDICTS.index(Verdict.RIGHT))
    length = np.bincount(group, rows["length"]) / n
    steps, problems = np.divmod(keys, size)
    groups = zip(steps.tolist(), problems.tolist(), n.tolist(), right.tolist(), length.tolist(), strict=True)
    return [Visit(step, str(problem), n, int(right), length) for step, problem, n, right, length in groups]


def stamp_of(path: Path) -> tuple[int, int] | None:
    """Return the time and size of a file, which change when it is written again; None where it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
