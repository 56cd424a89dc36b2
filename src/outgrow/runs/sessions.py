"""How each session of a run ended, a line each in sessions.jsonl: finished, a spent budget, a signal, an error.

A session that was killed has no end there: its line says when it began only.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from ..core.errors import OutgrowError, first_line, reason
from ..core.json_lines import read_lines, write_lines
from ..core.shell import command_line
from .cost import BudgetReached
from .folder import RunFolder
from .signals import StopRequested

End = Literal["finished", "budget", "signal", "error"]
STOPS = (StopRequested, BudgetReached, KeyboardInterrupt)
"""The exceptions by which a person stops work, at once or by a budget."""
_LONGEST_REASON = 500
_YEAR_3000 = 32_503_680_000  # in seconds since 1970


@dataclass(frozen=True)
class Session:
    """One process that trained a run."""

    began: float
    """Seconds since 1970."""
    first_step: int
    """Steps that were done when it began."""
    ended: float | None = None
    """Seconds since 1970; None while it runs, and where it was killed."""
    step: int | None = None
    """Steps that were done when it ended."""
    end: End | None = None
    reason: str = ""
    """What was spent, the signal's name, or the error's first line."""
    options: str = ""
    """Options of the `outgrow resume` that continues after a spent budget."""

    def __post_init__(self) -> None:
        """Raise ValueError where a time is none that a calendar has: a file may come from anywhere."""
        if not all(0 <= moment < _YEAR_3000 for moment in (self.began, self.ended or 0.0)):
            raise ValueError(f"not the time of a session: {self.began!r} to {self.ended!r}")

    def state(self) -> str:
        """Return how the session ended, in a few words."""
        match self.end:
            case "finished":
                return "finished"
            case "budget":
                return f"stopped by its budget after {self.reason}"
            case "signal":
                return f"stopped by {self.reason}"
            case "error":
                return f"failed: {self.reason}"
        return "still running, or killed"

    def sentence(self) -> str:
        """Return how the session ended, after how many steps of the run."""
        if self.end is None:
            return f"The last session, from step {self.first_step + 1:,} on, has no recorded end: it still runs, or it was killed"
        return f"The last session {self.state()}" + (f" (after step {self.step:,})" if self.step else "")

    def next_command(self, run: str) -> str:
        """Return the command that continues the run."""
        return " ".join(filter(None, (command_line("resume", run), self.options)))


def read_sessions(run: Path) -> list[Session]:
    """Return the sessions of a run, the oldest first; none where a run has no record of them.

    Raises OutgrowError where the record cannot be read.
    """
    file = RunFolder(run).sessions
    try:
        return [_SESSION.validate_python(row) for row in read_lines(file)]
    except (OSError, ValueError, TypeError) as error:
        raise OutgrowError(f"{file}: cannot be read ({reason(error)}); remove it: it only says how sessions ended") from error


_SESSION = TypeAdapter(Session)


@contextmanager
def recorded_session(run: Path, first_step: int, steps_done: Callable[[], int]) -> Iterator[None]:
    """Record that a session begins, and how it ended."""
    file, earlier = RunFolder(run).sessions, read_sessions(run)
    session = Session(round(time.time(), 3), first_step)

    def write(session: Session) -> None:
        rows = (asdict(row) for row in (*earlier, session))
        write_lines(file, [{key: value for key, value in row.items() if value not in (None, "")} for row in rows])

    write(session)
    ended: Session = session
    try:
        yield
        ended = replace(session, end="finished")
    except BudgetReached as reached:
        ended = replace(session, end="budget", reason=str(reached), options=reached.options)
        raise
    except StopRequested as stop:
        ended = replace(session, end="signal", reason=str(stop))
        raise
    except KeyboardInterrupt:
        ended = replace(session, end="signal", reason="a second signal, before it could save")
        raise
    except BaseException as error:
        ended = replace(session, end="error", reason=first_line(error)[:_LONGEST_REASON])
        raise
    finally:
        with suppress(OSError):  # a full disk, which has been reported
            write(replace(ended, ended=round(time.time(), 3), step=steps_done()))
