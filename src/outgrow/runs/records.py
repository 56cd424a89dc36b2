"""What of a run's folder belongs to a checkpoint: counts and digests of all that its steps left on disk.

A checkpoint keeps them, and a resumed run compares them with what is there: a lost ledger would otherwise begin again in silence,
and train another policy. A check costs one pass over what is compared; keeping the figures costs what a step adds.
"""

import hashlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from pyarrow import ArrowException

from ..core.callbacks import Warn
from ..core.errors import OutgrowError, reason
from ..core.files import open_regular, read_plain, require_regular
from ..core.rollout_log import count_steps
from ..core.shell import command_line
from ..core.sqlite_file import ForeignFile, require_own_journal
from ..ledger.ledger_file import require_tables
from .checkpoint import Checkpoint
from .folder import RunFolder

KEY = "records"
"""Key of a checkpoint's state."""

Figures = dict[str, Any]
"""Counts and digests of a file or folder, as JSON."""

_CHUNK = 2**20


class Records:
    """Keeps the figures of one run up to date, for its checkpoints."""

    def __init__(self, run: Path) -> None:
        files = RunFolder(run)
        self._run = files
        self._lines = {path.name: AppendedLines(path) for path in (files.metrics, files.validation, files.timings)}
        self._visits = _VisitSums()
        self._steps: tuple[int, int] | None = None  # a step, and the number of steps through it with rollouts

    def at(self, step: int) -> dict[str, Figures]:
        """Return name of a file or folder -> its figures, where the disk is level with `step`.

        Raises OSError, sqlite3.Error, ForeignFile.
        """
        files = self._run
        figures = {name: lines.figures() for name, lines in self._lines.items()}
        figures[files.sessions.name] = {"lines": _count_lines(files.sessions)} if files.sessions.exists() else {}
        if files.rollouts.is_dir():
            figures[files.rollouts.name] = {"steps": self._rollout_steps(step)}
        if files.ledger.exists():
            figures[files.ledger.name] = self._visits.through(files, step)
        once = (files.data, files.judge_cache, *sorted(files.evals.rglob("before.parquet")))
        figures |= {str(path.relative_to(files.path)): {"there": True} for path in once if path.exists()}
        return {name: values for name, values in figures.items() if values}

    def _rollout_steps(self, step: int) -> int:
        """Return the number of steps with rollouts. The folder is read once: each later step has written its own."""
        if self._steps is None:
            self._steps = (step, count_steps(self._run.path, step))
        last, count = self._steps
        self._steps = (step, count + step - last)
        return self._steps[1]


class AppendedLines:
    """A file that only grows, by whole lines: its running digest. What was read once is not read again while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest, self._bytes, self._lines = hashlib.sha256(), 0, 0

    def figures(self, most: int | None = None) -> Figures:
        """Return bytes, lines and sha256 of the file, or of its first `most` bytes; nothing where the file is missing or empty."""
        if not self._path.exists() or not (size := self._path.stat().st_size):
            return {}
        if size < self._bytes:  # it was cut back to an earlier step
            self._digest, self._bytes, self._lines = hashlib.sha256(), 0, 0
        end = size if most is None else min(size, most)
        with open_regular(self._path) as file:
            file.seek(self._bytes)
            while self._bytes < end and (part := file.read(min(_CHUNK, end - self._bytes))):
                self._digest.update(part)
                self._bytes += len(part)
                self._lines += part.count(b"\n")
        return {"lines": self._lines, "bytes": self._bytes, "sha256": self._digest.hexdigest()}


class _VisitSums:
    """Sums over the ledger's visits, of which each is added once."""

    def __init__(self) -> None:
        self._step, self._total = -1, Figures()

    def through(self, run: RunFolder, step: int) -> Figures:
        """Return the sums over all steps through `step`, which is not less than at the call before."""
        new = _visits(run, self._step, step)
        self._total = {name: self._total.get(name, 0) + value for name, value in new.items()}
        self._step = step
        return dict(self._total)


def _visits(run: RunFolder, after: int, through: int) -> Figures:
    """Return sums over the visits of the steps after `after`, through `through`; the last one depends on the steps of each."""
    names = ("visits", "rollouts", "right", "rollouts_by_step")
    query = "SELECT COUNT(*), SUM(n), SUM(right), SUM(step * n) FROM visits WHERE step > ? AND step <= ?"
    require_regular(run.ledger)
    require_own_journal(run.ledger)
    with closing(sqlite3.connect(f"{run.ledger.resolve().as_uri()}?mode=rw", uri=True)) as db:
        require_tables(db)
        [row] = db.execute(query, (after, through))
    return {name: value or 0 for name, value in zip(names, row, strict=True)}


def require_records(run: Path, checkpoint: Checkpoint, accept_loss: bool, warn: Warn) -> None:
    """Raise OutgrowError where files that belong to the checkpoint are lost or changed, with their names and how to go on.

    accept_loss: warn of them instead. Nothing is written.
    """
    lines = losses(run, checkpoint)
    if not lines:
        return
    lost = f"{run}: not as it was when step {checkpoint.step} was saved: {'; '.join(lines)}"
    if accept_loss:
        warn(f"{lost}; the run goes on without what is lost")
        return
    raise OutgrowError(
        f"{lost}; restore the files from a copy (of ledger.sqlite with its -wal), or go on without what is lost, "
        f"where the policy becomes another one: {command_line('resume', run, '--accept-loss')}"
    )


def losses(run: Path, checkpoint: Checkpoint) -> list[str]:
    """Return a text for each file or folder that is not as it was when the checkpoint was written; what was added later is fine."""
    recorded = checkpoint.state.get(KEY)
    if not isinstance(recorded, Mapping):
        return ["its checkpoint does not say what belongs to it (another version of outgrow wrote it)"]
    files, found = RunFolder(run), []
    for name, figures in recorded.items():
        try:
            found.append(_loss(files, name, figures, checkpoint.step))
        except (OSError, sqlite3.Error, ForeignFile, ArrowException) as error:
            found.append(f"{name} cannot be read ({reason(error)})")
        except (KeyError, TypeError, ValueError):
            found.append(f"what the checkpoint says of {name} cannot be read")
    return [text for text in found if text]


def _loss(files: RunFolder, name: str, figures: Figures, step: int) -> str:
    path = files.path / name
    if not path.exists():
        return f"{name} is missing"
    if name == files.rollouts.name:
        return _difference(name, figures, {"steps": count_steps(files.path, step)}, "steps")
    if name == files.ledger.name:
        return _difference(name, figures, _visits(files, -1, step), "rollouts")
    if name == files.sessions.name:
        count = _count_lines(path)
        return "" if count >= figures["lines"] else f"{name} holds {count:,} of {figures['lines']:,} lines"
    if "sha256" in figures:
        return _difference(name, figures, AppendedLines(path).figures(figures["bytes"]), "lines")
    return ""


def _difference(name: str, recorded: Figures, now: Figures, unit: str) -> str:
    if recorded == now:
        return ""
    have, had = now.get(unit, 0), recorded[unit]
    return f"{name} holds {have:,} of {had:,} {unit}" if have != had else f"{name} holds other {unit} than were written"


def _count_lines(path: Path) -> int:
    with suppress(FileNotFoundError):
        return read_plain(path).count(b"\n")
    return 0
