"""GSM8K: grade-school word problems with whole-number answers (Cobbe et al. 2021, arXiv 2110.14168)."""

import re
from itertools import islice
from typing import Any, Literal

from pydantic import Field

from ..core.callbacks import Warn, quiet
from ..core.errors import UsageError
from ..types import Problem
from .cell import answer_text
from .collect import collect, read_rows
from .hub import set_rows
from .overlap import question_id
from .source import Source
from .table import text_at

_CALCULATOR = re.compile(r"<<[^<>]*>>")


class GSM8K(Source):
    """Problem source `gsm8k`. A problem's level is how many lines its solution takes."""

    type: str = "gsm8k"
    split: Literal["train", "test"] = Field(default="train", description="Split of the data set.")
    count: int | None = Field(default=None, ge=1, description="Take the split's first problems, this many. Default: all.")

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return the problems, in the set's order. Raises UsageError where the set is missing, or a row is not GSM8K's."""
        rows = islice(set_rows("gsm8k", self.split, "openai/gsm8k", "main"), self.count)
        return collect("gsm8k", read_rows(rows, _problem), warn)


def _problem(row: dict[str, Any], where: str) -> Problem:
    question = text_at(row, "question", where)
    solution, marked, answer = text_at(row, "answer", where).rpartition("####")
    if not marked:
        raise UsageError(f"{where}: column 'answer' has no final line '#### N', so this is not GSM8K's shape")
    solution = _CALCULATOR.sub("", solution).strip()
    level = len(solution.splitlines())
    return Problem(question_id("gsm8k", question), "gsm8k", level, question, answer_text(answer).replace(",", ""), solution)
