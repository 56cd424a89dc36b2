"""What became of the answers that were drawn: counts, and how good the labels are."""

from pathlib import Path

from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """A share of n rows, with Wilson's 95% interval. Rows of one problem count as if they were independent."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Cell:
    """Of one field, level or band of pass rates: problems asked, answers drawn, right, and kept."""

    field: str
    level: int
    problems: int
    drawn: int
    right: int
    kept: int


@dataclass(frozen=True)
class Checked:
    """One suite beside the answers that were good enough to keep: how many of its questions, and of the answers how many hold one
    of them or a stretch of one."""

    suite: str
    questions: int
    same: int
    overlapping: int


@dataclass(frozen=True)
class MadeSummary:
    """by_cell: by field and level. by_band: easy, medium, hard -> rows kept. dropped: reason -> answers. precision: share of the
    kept rows on gold problems whose answer is right. sound: share of the kept rows with calculations in which every one holds.
    Both None where there is no such row. contaminated: answers dropped for what they share with a suite. checked: suite by suite.
    not_checked: suites that are not to be had here. path: the folder. sha256: of its Parquet file.
    """

    problems: int
    drawn: int
    right: int
    kept: int
    by_cell: tuple[Cell, ...]
    by_band: dict[str, int]
    dropped: dict[str, int]
    precision: Share | None
    sound: Share | None
    contaminated: int
    checked: tuple[Checked, ...]
    not_checked: tuple[str, ...]
    path: Path
    sha256: str


def read_summary(folder: Path) -> MadeSummary:
    """What `make_data` returned when it made this folder. Raises UsageError where there is none."""
    raise NotImplementedError(folder)
