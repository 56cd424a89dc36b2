"""MATH: competition problems of five levels and seven subjects (Hendrycks et al. 2021, arXiv 2103.03874)."""

from functools import partial
from typing import Any, Literal

from pydantic import Field

from ..core.callbacks import Warn, quiet
from ..types import Problem
from .boxed_answers import boxed_answers
from .collect import Skipped, collect, read_rows
from .hub import set_rows
from .known_errors import corrected
from .overlap import question_id
from .source import Source
from .table import level_of, text_at

# split -> where it is on the hub: repository, its split, and the column of the subject
_HUB = {
    "train": ("DigitalLearningGmbH/MATH-lighteval", "train", "type"),
    "test": ("DigitalLearningGmbH/MATH-lighteval", "test", "type"),
    "math500": ("HuggingFaceH4/MATH-500", "test", "subject"),
}


class Math(Source):
    """Problem source `math`: its field is the subject, its answer what the solution's last box holds.

    Where a question asks for all solutions, all boxes together are the answer.
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
        read = read_rows(rows, partial(_problem, subject))
        wanted = ((where, item) for where, item in read if isinstance(item, Skipped) or item.level in self.levels)
        return collect("math", corrected("math", wanted, warn), warn)


def _problem(subject: str, row: dict[str, Any], where: str) -> Problem:
    question, solution = text_at(row, "problem", where), text_at(row, "solution", where)
    answer, *others = boxed_answers(solution, question)
    level = level_of(text_at(row, "level", where))
    field = text_at(row, subject, where)
    return Problem(question_id("math", question), field, level, question, answer, solution, alternatives=tuple(others))
