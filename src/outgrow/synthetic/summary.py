"""What became of the answers that were drawn: counts, and how good the labels are."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import ValidationError
from pydantic.dataclasses import dataclass

from ..core.errors import UsageError, first_line
from ..core.estimate import Estimate
from ..core.files import write_json
from ..ledger.bands import Band as BandName
from ..ledger.bands import band
from .row import SyntheticRow

FILE = "summary.json"
P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True)
class Cell:
    """Of one field and level: problems asked, answers drawn, right, and kept."""

    field: str
    level: int
    problems: int
    drawn: int
    right: int
    kept: int


@dataclass(frozen=True)
class Band:
    """Of the problems that are easy, medium or hard: how many there are, answers drawn, right, and kept."""

    band: str
    problems: int
    drawn: int
    right: int
    kept: int


@dataclass(frozen=True)
class Checked:
    """One suite beside the answers that were good enough to keep. same: how many of them answer one of its questions. overlapping:
    how many share 13 words in a row with one."""

    suite: str
    questions: int
    same: int
    overlapping: int


@dataclass(frozen=True)
class SyntheticSummary:
    """drawn: answers looked at, those that a run had written before (`written`) among them. dropped: reason -> answers; with those
    kept they are those drawn. precision: share of the kept rows on gold problems whose
    answer is right. sound: share of the kept rows with calculations in which every one holds. Both None where there is no such row.
    contaminated: answers dropped for what they share with a suite; checked: which, suite by suite; not_checked: suites that were
    not to be had. path: the folder. sha256: of its Parquet file.
    """

    problems: int
    drawn: int
    right: int
    kept: int
    by_cell: tuple[Cell, ...]
    by_band: tuple[Band, ...]
    dropped: dict[str, int]
    precision: Estimate | None
    sound: Estimate | None
    contaminated: int
    checked: tuple[Checked, ...]
    not_checked: tuple[str, ...]
    path: Path
    sha256: str
    written: int = 0

    @property
    def cost(self) -> int:
        """Answers that were written to make this."""
        return self.drawn - self.written


def cells(drawn: Sequence[SyntheticRow], kept: Sequence[SyntheticRow]) -> tuple[Cell, ...]:
    """By field and level, in order."""
    counts = _counts(drawn, kept, lambda row: (row.field, row.level))
    return tuple(Cell(field, level, *counts[field, level]) for field, level in sorted(counts))


def bands(drawn: Sequence[SyntheticRow], kept: Sequence[SyntheticRow]) -> tuple[Band, ...]:
    """Easy, medium and hard, by the pass rate among the answers drawn."""
    counts = _counts(drawn, kept, lambda row: band(row.pass_rate))
    return tuple(Band(name, *counts[name]) for name in get_args(BandName) if name in counts)


def _counts(
    drawn: Sequence[SyntheticRow], kept: Sequence[SyntheticRow], place: Callable[[SyntheticRow], P]
) -> dict[P, tuple[int, int, int, int]]:
    """Of each place: problems, answers, right ones, and those kept."""
    places: dict[P, list[SyntheticRow]] = defaultdict(list)
    for row in drawn:
        places[place(row)].append(row)
    left = Counter(map(place, kept))
    return {
        where: (len({row.problem_id for row in rows}), len(rows), sum(row.right for row in rows), left[where])
        for where, rows in places.items()
    }


def write_summary(folder: Path, summary: SyntheticSummary) -> None:
    """Write it beside the data, without the path, which may change."""
    write_json(folder / FILE, {name: value for name, value in asdict(summary).items() if name != "path"})


def read_summary(folder: Path) -> SyntheticSummary:
    """What `make_data` returned when it made this folder. Raises UsageError where there is none."""
    try:
        return SyntheticSummary(**json.loads((folder / FILE).read_text()), path=folder)
    except (OSError, ValueError, TypeError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not a summary of made data: {first_line(error)}"
        raise UsageError(f"{folder / FILE}: {reason}; make the data with: outgrow data MODEL RECIPE --out FOLDER") from error
