"""Graded answers that are kept, so that a measurement that was stopped goes on, and the same one is not made twice."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from ..errors import OutgrowError
from ..keyed import seed_from
from ..policy import Sampling
from ..problems import Problem
from ..rollout import Respondent
from ..verify import Verdict, Verifier
from .sample import Sample, sample_problems

_ANSWERS = 512  # between two commits: what a stop may cost
_SCHEMA = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, samples TEXT NOT NULL) WITHOUT ROWID"


class Kept:
    """A SQLite file of answers. A context manager.

    A problem's answers are found again where nothing that they depend on has changed: the model's weights (a server's: its
    address), the conversation, the known answer, the sampling, their number, the seed, and how they are graded.
    """

    def __init__(self, path: Path, anew: bool = False, told: Callable[[int], None] = lambda done: None) -> None:
        """anew: draw everything, and put it in the place of what is kept. told: how many problems are done, those of all calls
        together. Raises OutgrowError where the file cannot be opened."""
        self._anew, self._told, self._done = anew, told, 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._db.executescript(f"PRAGMA journal_mode = WAL; {_SCHEMA}")
        except (OSError, sqlite3.Error) as error:
            raise OutgrowError(f"{path}: cannot open this file of kept answers ({error}); delete it to start anew") from error

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def sample(
        self,
        respondent: Respondent,
        verifier: Verifier,
        problems: Sequence[Problem],
        k: int,
        sampling: Sampling,
        seed: int,
        poll: Callable[[], None] = lambda: None,
    ) -> list[Sample]:
        """As `sample_problems`, but what is kept is not drawn again. Raises OutgrowError where the disk is full."""
        who = respondent.identity
        keys = [_key(who, respondent, verifier, problem, k, sampling, seed) for problem in problems]
        known = {} if self._anew else {key: samples for key in keys if (samples := self._read(key)) is not None}
        missing = [(key, problem) for key, problem in zip(keys, problems, strict=True) if key not in known]
        size = max(1, _ANSWERS // k)
        self._tell(len(problems) - len(missing))
        for start in range(0, len(missing), size):
            part = missing[start : start + size]
            drawn = sample_problems(respondent, verifier, [problem for _, problem in part], k, sampling, seed, poll)
            each = len(drawn) // len(part)
            fresh = {key: drawn[place * each : (place + 1) * each] for place, (key, _) in enumerate(part)}
            self._write(fresh)
            known |= fresh
            self._tell(len(part))
        return [sample for key in keys for sample in known[key]]

    def _tell(self, more: int) -> None:
        self._done += more
        self._told(self._done)

    def _read(self, key: str) -> list[Sample] | None:
        row = self._db.execute("SELECT samples FROM answers WHERE key = ?", (key,)).fetchone()
        return [Sample(**{**one, "verdict": Verdict(one["verdict"])}) for one in json.loads(row[0])] if row else None

    def _write(self, fresh: dict[str, list[Sample]]) -> None:
        rows = [(key, json.dumps([asdict(sample) for sample in samples])) for key, samples in fresh.items()]
        try:
            with self._db:
                self._db.execute("BEGIN")
                self._db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise OutgrowError(f"cannot keep these answers ({error}); what was kept before is still there") from error


def _key(who: str, respondent: Respondent, verifier: Verifier, problem: Problem, k: int, sampling: Sampling, seed: int) -> str:
    # A problem's id and names are in its samples, so they are part of what must be equal.
    what = [asdict(problem), respondent.conversation(problem.question)]
    how = [k, sampling.model_dump(), seed_from(seed, "evaluate", problem.id), verifier.settings]
    return hashlib.sha256(json.dumps([who, what, how]).encode()).hexdigest()
