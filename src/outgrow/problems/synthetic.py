"""Answers that a model wrote, for another base to learn from."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ..core.callbacks import Warn, quiet
from ..core.errors import UsageError
from ..core.inputs import ReadsFrom
from ..types import Problem
from .collect import Read, collect
from .formats import Row, read_file
from .source import Source


class Synthetic(Source):
    """Problem source `synthetic`: a problem for each answer in a folder that `outgrow data` wrote, or in one of its Parquet files.

    What SFT learns is the answer as it was sampled, to its last character and its end. The known answer is what that answer comes
    to. generations: of the flywheel. Default: all. Earlier folders can be added as further sources, each with its weight.
    """

    type: str = "synthetic"
    path: Annotated[Path, ReadsFrom("files")] = Field(
        description="A folder that `outgrow data` wrote, or one of its Parquet files."
    )
    generations: tuple[int, ...] | None = Field(
        default=None, min_length=1, description="Only rows of these generations of the flywheel. Default: all."
    )

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all answers, in the order of the rows. Raises UsageError where this is not synthetic data, or no row is left."""
        return collect(str(self.path), self._read(), warn)

    def _read(self) -> Iterator[Read]:
        for where, row in synthetic_rows(self.path):
            if self.generations is None or value(row, "generation", int, where) in self.generations:
                yield where, _problem(row, where)


def synthetic_rows(path: Path) -> Iterator[Row]:
    """Return the rows of a folder of synthetic data, or of one of its Parquet files. Raises UsageError where there are none."""
    files = sorted(path.glob("data/*.parquet")) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"{path}: no synthetic data here (data/*.parquet); make it with: outgrow data MODEL RECIPE --out {path}")
    return (row for file in files for row in read_file(file))


def value(row: dict[str, Any], name: str, kind: type, where: str) -> Any:
    """Return a column's value. Raises UsageError naming the row where it is missing, or of another type."""
    if not isinstance(row.get(name), kind):
        raise UsageError(f"{where}: column {name!r} is not of type {kind.__name__}, so this is not synthetic data")
    return row[name]


def _problem(row: dict[str, Any], where: str) -> Problem:
    question, sampled = value(row, "question", str, where), value(row, "sampled", str, where)
    digest = hashlib.sha256(f"{question}\0{sampled}".encode()).hexdigest()[:16]
    return Problem(
        id=f"{value(row, 'problem_id', str, where)}#{digest}",
        field=value(row, "field", str, where),
        level=value(row, "level", int, where),
        question=question,
        answer=value(row, "extracted", str, where),
        solution=sampled,
        whole=True,
    )
