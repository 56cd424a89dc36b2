"""The warnings of a run, with time and step, in a file of limited size. Writing them never stops a run."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ..core.callbacks import Note
from ..core.errors import OutgrowError
from ..core.json_lines import append_line, read_lines, write_lines
from .folder import RunFolder

MAX_LINES = 1000
"""Lines of a log; a longer one keeps its first and its last lines."""
MAX_CHARACTERS = 2000
"""Characters of a warning."""

_FIRST, _LAST = 200, 300  # lines that a log keeps when it is too long


@dataclass(frozen=True)
class LoggedWarning:
    """A line of the log."""

    time: str
    """ISO 8601, in UTC, to the second."""
    step: int
    """Steps done by then; for a warning about a step, that step."""
    text: str
    dropped: int = 0
    """Lines dropped directly before this one, because the log was too long."""
    note: bool = False
    """Whether it only tells what was chosen or done (see `Note`), and warns of nothing."""

    def __post_init__(self) -> None:
        """Raise ValueError where a value is not what its field says: a file may come from anywhere."""
        when = datetime.fromisoformat(self.time)
        dated = when.tzinfo is not None and 2000 <= when.year < 3000
        counted = type(self.step) is int and type(self.dropped) is int
        if not (dated and counted and isinstance(self.text, str) and isinstance(self.note, bool)):
            raise ValueError(f"not a warning: {json.dumps(asdict(self))[:100]}")


class WarningLog:
    """Writes the warnings of one run. What comes before the run's folder is held is kept until then."""

    def __init__(self, run: Path) -> None:
        self._run, self._file = run, RunFolder(run).warnings
        self._waiting: list[LoggedWarning] = []
        self._count: int | None = None  # lines in the file; None while the folder is not held
        self.step = 0
        """The step that new warnings are about."""

    def add(self, text: str) -> None:
        """Write a warning, or a `Note`."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._waiting.append(LoggedWarning(now, self.step, text[:MAX_CHARACTERS], note=isinstance(text, Note)))
        if self._count is not None:
            self._write()

    def open(self, step: int) -> None:
        """Begin to write into the run's folder, which is held. Training continues after `step`, so later warnings are dropped:
        those steps are done again.
        """
        self.step, self._count = step, 0
        with suppress(OSError, OutgrowError):
            if self._file.exists():
                self._replace([line for line in read_warnings(self._run) if line.step <= step])
        self._write()

    def _write(self) -> None:
        # What a log cannot take (a full disk) stops the run where metrics are written, with a line that says what to do.
        with suppress(OSError, OutgrowError):
            for line in self._waiting:
                append_line(self._file, asdict(line))
            self._count = (self._count or 0) + len(self._waiting)
            self._waiting.clear()
            if self._count > MAX_LINES:
                self._replace(_without_middle(read_warnings(self._run)))

    def _replace(self, lines: Sequence[LoggedWarning]) -> None:
        write_lines(self._file, (asdict(line) for line in lines))
        self._count = len(lines)


def read_warnings(run: Path) -> list[LoggedWarning]:
    """Return a run's warnings, the oldest first; none where it has no log. Raises OutgrowError where the log is damaged."""
    file = RunFolder(run).warnings
    try:
        return [LoggedWarning(**row) for row in read_lines(file)]
    except (OSError, ValueError, TypeError) as error:
        raise OutgrowError(f"{file}: cannot be read ({error}); remove it: it holds only warnings") from error


def _without_middle(lines: Sequence[LoggedWarning]) -> list[LoggedWarning]:
    """Return the first and the last lines; the line after the gap says how many lines are dropped, earlier gaps included."""
    gap, end = lines[_FIRST:-_LAST], lines[-_LAST:]
    dropped = len(gap) + sum(line.dropped for line in (*gap, end[0]))
    return [*lines[:_FIRST], replace(end[0], dropped=dropped), *end[1:]]
