"""Rollouts of a run, group by group: the index says which groups there are, their texts are read as they are needed."""

import time
from collections.abc import Iterable
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ...core.errors import DAMAGED
from ...core.parquet import open_parquet, read_rows
from ...core.rollout_log import Part, list_parts, read_part
from ...types import Verdict
from ..visit_table import VisitTable
from .stamps import Pause, Stamp, stamp_of

VERDICTS = tuple(Verdict)
_COLUMNS = ("step", "problem_id", "field", "level", "question", "answer", "verdict", "length")
_SHOWN = {"completion", "extracted", "reward", "advantage"}  # other columns that a page shows
_ABOUT = 800  # bytes that a problem takes besides its texts, in the index and in the list of problems
GROUP = np.dtype(
    [("step", np.int32), ("problem", np.int32), ("start", np.int32), ("counts", np.int32, len(VERDICTS)), ("tokens", np.int64)]
)
"""A group: its step, the number of its problem, its first row in its step, rollouts by verdict, and tokens of all of them."""

Groups = NDArray[np.void]


class Practised(NamedTuple):
    """A practised problem."""

    problem_id: str
    field: str
    level: int
    question: str
    answer: str


class RolloutIndex:
    """The rollouts of one run: 40 bytes a group. Safe to use from several threads."""

    def __init__(self, run: Path, share: float = 1.0) -> None:
        """share: of a core, for looking at the run's files (see `Pause`)."""
        self.run = run
        self.problems: list[Practised] = []
        self.unread = 0
        """Steps that are not read yet."""
        self.version = 0
        """Changes whenever the groups do."""
        self._codes: dict[str, int] = {}
        self._text_bytes = 0
        self._parts: dict[Part, tuple[Stamp, Groups]] = {}
        self._unreadable: dict[Part, Stamp] = {}
        self.groups: Groups = np.empty(0, GROUP)
        """All groups that are read, by step and row of the file."""
        self._pause, self._lock = Pause(share), Lock()
        # The version that the list of problems was last made from, and that list.
        self.cached: tuple[int, list[Any]] | None = None

    @property
    def unreadable(self) -> list[str]:
        """Names of damaged files."""
        return sorted(part.path.name for part in self._unreadable)

    def nbytes(self) -> int:
        """Return about how many bytes the index and its list of problems take."""
        return 2 * self.groups.nbytes + self._text_bytes

    def refresh(self, seconds: float) -> Groups:
        """Read new files, newest first, for about `seconds`; `unread` steps are left for the next time.

        Return all known groups, by step and row of its file. A file that was written again, as after a resume, is read again.
        """
        with self._lock:
            if self.unread or self._pause.over():
                self._look(seconds)
            return self.groups

    def _look(self, seconds: float) -> None:
        with self._pause.look():
            stamps = {part: stamp for part in list_parts(self.run) if (stamp := stamp_of(part.path))}
        gone = [part for part, (stamp, _) in self._parts.items() if stamps.get(part) != stamp]
        for part in gone:
            del self._parts[part]
        self._unreadable = {part: stamp for part, stamp in self._unreadable.items() if stamps.get(part) == stamp}
        new = sorted((part for part in stamps if part not in self._parts and part not in self._unreadable), reverse=True)
        until, read = time.monotonic() + seconds, 0
        for part in new:
            try:
                self._parts[part] = stamps[part], self._read(part.path)
            except (OSError, pa.ArrowException, *DAMAGED):
                self._unreadable[part] = stamps[part]
            read += 1
            if time.monotonic() > until:
                break
        self.unread = sum(part.last - part.first + 1 for part in new[read:])
        if gone or read:
            parts = [self._parts[part][1] for part in sorted(self._parts, key=lambda part: part.first)]
            self.groups = np.concatenate(parts) if parts else np.empty(0, GROUP)
            self.version += 1

    def _read(self, path: Path) -> Groups:
        """Return the groups of a file: neighbouring rows of one step and problem."""
        with open_parquet(path) as file:
            if missing := _SHOWN - set(file.schema_arrow.names):
                raise KeyError(missing)
            table = read_rows(file, path, _COLUMNS)
        count = len(table)
        if not count:
            return np.empty(0, GROUP)
        step, length = (np.array(table[name].to_numpy(), dtype=np.int64) for name in ("step", "length"))
        if len(step) and not (step.min() >= 0 and step.max() < 2**31):
            raise OverflowError("a step is not a step")
        ids = table["problem_id"].combine_chunks().dictionary_encode()
        code = ids.indices.to_numpy()
        verdict = self._verdicts(table["verdict"].combine_chunks())
        begins = np.flatnonzero(np.diff(step, prepend=-1) | np.diff(code, prepend=-1))
        numbers = self._numbers(table, ids, code)
        groups = np.empty(len(begins), GROUP)
        groups["step"], groups["problem"] = step[begins], numbers[code[begins]]
        first_of_step = np.flatnonzero(np.diff(step, prepend=-1))
        groups["start"] = begins - first_of_step[np.searchsorted(first_of_step, begins, side="right") - 1]
        for place in range(len(VERDICTS)):
            groups["counts"][:, place] = np.add.reduceat(verdict == place, begins, dtype=np.int32)
        groups["tokens"] = np.add.reduceat(length, begins)
        return groups

    @staticmethod
    def _verdicts(column: pa.Array) -> NDArray[np.int8]:
        """Return the place in VERDICTS of each. Raises ValueError where one is no verdict."""
        encoded = column.dictionary_encode()
        places = np.array([VERDICTS.index(Verdict(name)) for name in encoded.dictionary.to_pylist()], dtype=np.int8)
        found: NDArray[np.int8] = places[encoded.indices.to_numpy()]
        return found

    def _numbers(self, table: pa.Table, ids: pa.DictionaryArray, code: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the number of each of a file's problems; a new problem gets a new number."""
        names = ids.dictionary.to_pylist()
        new = [place for place, name in enumerate(names) if name not in self._codes]
        if new:
            first = np.zeros(len(names), dtype=np.int64)
            first[code[::-1]] = np.arange(len(code))[::-1]
            about = table.select(["problem_id", "field", "level", "question", "answer"]).take(first[new]).to_pylist()
            for row in about:
                self._codes[row["problem_id"]] = len(self.problems)
                self.problems.append(Practised(**row))
                self._text_bytes += len(row["question"]) + len(row["answer"]) + _ABOUT
        return np.array([self._codes[name] for name in names], dtype=np.int32)

    def code_of(self, problem_id: str) -> int | None:
        """Return the number of a problem in the groups, None where it was not practised."""
        return self._codes.get(problem_id)

    def texts(self, groups: Groups, verdict: int | None, part: slice) -> list[dict[str, Any]]:
        """Return whole rollouts of these groups, of one verdict (its place in VERDICTS) or of all; `part` says which of them.

        Rollouts whose file has gone are not among them.
        """
        sizes = groups["counts"].sum(axis=1) if verdict is None else groups["counts"][:, verdict]
        ends = np.cumsum(sizes)
        start, stop, _ = part.indices(int(ends[-1]) if len(ends) else 0)
        if stop <= start:
            return []
        wanted = range(int(np.searchsorted(ends, start, side="right")), int(np.searchsorted(ends, stop, side="left")) + 1)
        rows: list[dict[str, Any]] = []
        steps: dict[int, list[dict[str, Any]]] = {}
        skipped = start - (int(ends[wanted[0] - 1]) if wanted[0] else 0)
        for place in wanted:
            group = groups[place]
            of_step = self._texts_of(int(group["step"]), steps)
            whole = of_step[int(group["start"]) : int(group["start"] + group["counts"].sum())]
            rows += [row for row in whole if verdict is None or row["verdict"] == VERDICTS[verdict]]
        return rows[skipped : skipped + stop - start]

    def _texts_of(self, step: int, known: dict[int, list[dict[str, Any]]]) -> list[dict[str, Any]]:
        if step not in known:
            try:
                known[step] = read_part(self.run, step)
            except (OSError, pa.ArrowException):
                known[step] = []
        return known[step]


def visits_of(groups: Groups, problems: Iterable[Practised]) -> VisitTable:
    """Return the visits of these groups, the oldest first. problems: in the order of their numbers."""
    size = int(groups["problem"].max(initial=0)) + 1
    keys, where = np.unique(groups["step"].astype(np.int64) * size + groups["problem"], return_inverse=True)
    n = np.bincount(where, groups["counts"].sum(axis=1), minlength=len(keys)).astype(np.int32)
    right = np.bincount(where, groups["counts"][:, VERDICTS.index(Verdict.RIGHT)], minlength=len(keys)).astype(np.int32)
    tokens = np.bincount(where, groups["tokens"], minlength=len(keys))
    step, problem = np.divmod(keys, size)
    ids = [practised.problem_id for practised in problems]
    return VisitTable(ids, step.astype(np.int32), problem.astype(np.int32), n, right, tokens / np.maximum(n, 1))
