"""A run's log: its warnings and errors with time and step, and when each session began and ended. It never stops a run."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from ..core.errors import OutgrowError
from ..core.files import append_line, read_lines, write_lines
from .cost import BudgetReached
from .folder import RunFolder
from .signals import StopRequested

Level = Literal["start", "warning", "error", "end"]
"""start: a session begins. end: it ends without an error."""

MAX_LINES = 1000
"""Lines of a log; a longer one keeps its first and its last lines."""
MAX_CHARACTERS = 2000
"""Characters of a line's text."""

_FIRST, _LAST = 200, 300  # lines that a log keeps when it is too long


@dataclass(frozen=True)
class LogLine:
    """A line of the log."""

    time: str
    """ISO 8601, in UTC, to the second."""
    step: int
    """Steps done by then; for a warning about a step, that step."""
    level: Level
    text: str
    dropped: int = 0
    """Lines dropped directly before this one, because the log was too long."""

    def __post_init__(self) -> None:
        """Raise ValueError where a value is not what its field says: a file may come from anywhere."""
        when = datetime.fromisoformat(self.time)
        dated = when.tzinfo is not None and 2000 <= when.year < 3000
        counted = type(self.step) is int and type(self.dropped) is int
        if not (dated and counted and self.level in get_args(Level) and isinstance(self.text, str)):
            raise ValueError(f"not a line of a log: {json.dumps(asdict(self))[:100]}")


class RunLog:
    """Writes the log of one run. Lines that come before the run's folder is held are kept until then."""

    def __init__(self, run: Path) -> None:
        self._run, self._file = run, RunFolder(run).log
        self._waiting: list[LogLine] = []
        self._count: int | None = None  # lines in the file; None while the folder is not held
        self.step = 0
        """The step that new lines are about."""

    def add(self, level: Level, text: str) -> None:
        """Write a line."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._waiting.append(LogLine(now, self.step, level, text[:MAX_CHARACTERS]))
        if self._count is not None:
            self._write()

    @contextmanager
    def session(self) -> Iterator[None]:
        """Write within the block, in which the run's folder must be held, and at its end why it ended."""
        with suppress(OSError):
            self._count = self._file.read_bytes().count(b"\n") if self._file.exists() else 0
        try:
            yield
        except StopRequested as stop:
            self.add("end", f"stopped by {stop} after step {self.step}")
            raise
        except BudgetReached as stop:
            self.add("end", f"stopped by its budget after step {self.step}: {stop}")
            raise
        except KeyboardInterrupt:
            self.add("end", f"stopped at once after step {self.step}")
            raise
        except OutgrowError as error:
            self.add("error", str(error))
            raise
        except BaseException as error:
            self.add("error", f"{type(error).__name__}: {error}".removesuffix(": "))
            raise
        else:
            self.add("end", "finished")
        finally:
            self._count = None

    def begin(self, step: int) -> None:
        """Write that training begins after `step`. Warnings about later steps are dropped: those steps are done again."""
        with suppress(OSError, OutgrowError):
            kept = [line for line in read_log(self._run) if line.level != "warning" or line.step <= step]
            self._replace(kept)
        self.step = step
        self.add("start", f"continued after step {step}" if step else "started")

    def _write(self) -> None:
        # What a log cannot take (a full disk) stops the run where metrics are written, with a line that says what to do.
        with suppress(OSError, OutgrowError):
            for line in self._waiting:
                append_line(self._file, asdict(line))
            self._count = (self._count or 0) + len(self._waiting)
            self._waiting.clear()
            if self._count > MAX_LINES:
                self._replace(_without_middle(read_log(self._run)))

    def _replace(self, lines: Sequence[LogLine]) -> None:
        write_lines(self._file, (asdict(line) for line in lines))
        self._count = len(lines)


def read_log(run: Path) -> list[LogLine]:
    """Return a run's log, oldest line first; empty where it has none. Raises OutgrowError where it is damaged."""
    file = RunFolder(run).log
    try:
        return [LogLine(**row) for row in read_lines(file)]
    except (OSError, ValueError, TypeError) as error:
        raise OutgrowError(f"{file}: cannot be read ({error})") from error


def _without_middle(lines: Sequence[LogLine]) -> list[LogLine]:
    """Return the first and the last lines; the line after the gap says how many lines are dropped, earlier gaps included."""
    gap, end = lines[_FIRST:-_LAST], lines[-_LAST:]
    dropped = len(gap) + sum(line.dropped for line in (*gap, end[0]))
    return [*lines[:_FIRST], replace(end[0], dropped=dropped), *end[1:]]
