"""The summary of a data set: counts of answers drawn and kept, and the quality of the labels."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import ValidationError
from pydantic.dataclasses import dataclass

from ..core.errors import UsageError, first_line
from ..core.estimate import Estimate
from ..core.files import read_json, write_json
from ..ledger.bands import Band as BandName
from ..ledger.bands import band
from ..problems.limit import Limit
from .row import SyntheticRow

FILE = "summary.json"
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Cell:
    """Counts of one field and level: problems, answers drawn, right and kept."""

    field: str
    level: int
    problems: int
    drawn: int
    right: int
    kept: int


@dataclass(frozen=True)
class Band:
    """Counts of the easy, medium or hard problems: problems, answers drawn, right and kept."""

    band: str
    problems: int
    drawn: int
    right: int
    kept: int


@dataclass(frozen=True)
class Checked:
    """The overlap of one suite with the answers that passed the filters."""

    suite: str
    questions: int
    """Questions of the suite."""
    same: int
    """Answers to one of its questions."""
    overlapping: int
    """Answers that share 13 words in a row with one of its questions."""


@dataclass(frozen=True)
class SyntheticSummary:
    """What is in a data set, and what was dropped."""

    problems: int
    drawn: int
    """All answers to select from, with those written in training."""
    right: int
    """Right ones of them."""
    kept: int
    by_cell: tuple[Cell, ...]
    by_band: tuple[Band, ...]
    dropped: dict[str, int]
    """Reason -> answers; with those kept they add up to `drawn`."""
    precision: Estimate | None
    """Share of right answers among those kept, graded again; None where no row could be graded."""
    sound: Estimate | None
    """Share of the kept answers with calculations in which every calculation holds; None where none has any."""
    contaminated: int
    """Answers dropped because they overlap with a suite."""
    checked: tuple[Checked, ...]
    """The overlap, suite by suite."""
    not_checked: tuple[str, ...]
    """Suites that could not be loaded."""
    path: Path
    """The folder."""
    sha256: str
    """Digest of its Parquet file."""
    written: int = 0
    """Answers that a run wrote in training."""
    limit: Limit | None = None
    """How the problems were sampled from a larger set; None where they are the whole set."""

    @property
    def cost(self) -> int:
        """Answers that were written only for this data set."""
        return self.drawn - self.written


def cells(drawn: Sequence[SyntheticRow], kept: Sequence[SyntheticRow]) -> tuple[Cell, ...]:
    """Return the counts by field and level, in order."""
    counts = _counts(drawn, kept, lambda row: (row.field, row.level))
    return tuple(Cell(field, level, *counts[field, level]) for field, level in sorted(counts))


def bands(drawn: Sequence[SyntheticRow], kept: Sequence[SyntheticRow]) -> tuple[Band, ...]:
    """Return the counts of easy, medium and hard problems, by the pass rate among the answers drawn."""
    counts = _counts(drawn, kept, lambda row: band(row.pass_rate))
    return tuple(Band(name, *counts[name]) for name in get_args(BandName) if name in counts)


def _counts(
    drawn: Sequence[SyntheticRow], kept: Sequence[SyntheticRow], key: Callable[[SyntheticRow], K]
) -> dict[K, tuple[int, int, int, int]]:
    """Return for each key: problems, answers, right ones, and those kept."""
    groups: dict[K, list[SyntheticRow]] = defaultdict(list)
    for row in drawn:
        groups[key(row)].append(row)
    kept_by_key = Counter(map(key, kept))
    return {
        name: (len({row.problem_id for row in rows}), len(rows), sum(row.right for row in rows), kept_by_key[name])
        for name, rows in groups.items()
    }


def write_summary(folder: Path, summary: SyntheticSummary) -> None:
    """Write the summary next to the data, without the path, which may change."""
    write_json(folder / FILE, {name: value for name, value in asdict(summary).items() if name != "path"})


def read_summary(folder: Path) -> SyntheticSummary:
    """Read what `make_data` returned when it made this folder. Raises UsageError where the file is missing or broken."""
    try:
        return SyntheticSummary(**read_json(folder / FILE), path=folder)
    except (OSError, ValueError, TypeError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not a summary of synthetic data: {first_line(error)}"
        raise UsageError(f"{folder / FILE}: {reason}; make the data with: outgrow data MODEL RECIPE --out FOLDER") from error
