"""MATH: competition problems of five levels and seven subjects (Hendrycks et al. 2021, arXiv 2103.03874)."""

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from ..core.callbacks import Warn, quiet
from ..types import Problem
from ..verify.extract import boxed
from .overlap import question_id
from .rows import Row, set_rows
from .source import Source
from .table import collect, column, level_of

# split -> where it is on the hub: repository, its split, and the column of the subject
_HUB = {
    "train": ("DigitalLearningGmbH/MATH-lighteval", "train", "type"),
    "test": ("DigitalLearningGmbH/MATH-lighteval", "test", "type"),
    "math500": ("HuggingFaceH4/MATH-500", "test", "subject"),
}


class Math(Source):
    """Problem source `math`: its field is the subject, its answer what the solution's last box holds.

    math500: the 500 test problems held out by Lightman et al. 2023 (arXiv 2305.20050).
    """

    type: str = "math"
    split: Literal["train", "test", "math500"] = Field(
        default="train", description="Split of the data set; math500 is a test set of 500 problems."
    )
    levels: tuple[int, ...] = Field(
        default=(0, 1, 2, 3, 4, 5), description="Only problems of these levels; 0 is a problem whose level is unknown."
    )

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems of the levels, in the set's order. Raises UsageError where the set is missing."""
        repository, split, subject = _HUB[self.split]
        rows = set_rows("math", self.split, repository, None, split)
        return collect("math", ((where, p) for where, p in _read(rows, subject) if p.level in self.levels), warn)


def _read(rows: Iterable[Row], subject: str) -> Iterator[tuple[str, Problem]]:
    for where, row in rows:
        question, solution = column(row, "problem", where), column(row, "solution", where)
        answer = (boxed(solution) or "").strip()
        level = level_of(column(row, "level", where))
        yield where, Problem(question_id("math", question), column(row, subject, where), level, question, answer, solution)
