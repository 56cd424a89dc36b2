"""What each actor did in each step (`engine.actors`), in a file of its own: it is never the same twice, as metrics.jsonl is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from ..core.errors import OutgrowError, reason
from ..core.json_lines import append_line, keep_lines_through, lines_backwards
from ..engines.work import Work
from .folder import RunFolder


@dataclass(frozen=True)
class StepWork:
    """A line of the file."""

    step: int
    actors: list[Work]
    """Those that were started with this session of the run."""


_LINE = TypeAdapter(StepWork)


def write_work(run: Path, step: int, actors: Sequence[Work]) -> None:
    """Add a line; none where the engine has no actors. Raises OSError."""
    if actors:
        append_line(RunFolder(run).actors, asdict(StepWork(step, list(actors))))


def drop_work_after(run: Path, step: int) -> None:
    """Drop the lines of later steps, which are done again; a damaged file is removed, since nothing depends on it."""
    file = RunFolder(run).actors
    try:
        keep_lines_through(file, step)
    except OutgrowError:
        file.unlink()


def latest_work(run: Path) -> StepWork | None:
    """Return the last line; None where there is none. Raises OutgrowError where it is damaged."""
    file = RunFolder(run).actors
    try:
        return next((_LINE.validate_json(line) for _, line in lines_backwards(file)), None)
    except (OSError, ValueError) as error:
        raise OutgrowError(f"{file}: cannot be read ({reason(error)}); remove it: it holds only what actors did") from error
