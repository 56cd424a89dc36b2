"""GSM8K: grade-school word problems with whole-number answers (Cobbe et al. 2021, arXiv 2110.14168)."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from ..core.callbacks import Warn, quiet
from ..core.errors import UsageError
from ..types import Problem
from .overlap import question_id
from .rows import Row, set_rows
from .source import Source
from .table import collect, column

_CALCULATOR = re.compile(r"<<[^<>]*>>")


class GSM8K(Source):
    """Problem source `gsm8k`. A problem's level is how many lines its solution takes."""

    type: str = "gsm8k"
    split: Literal["train", "test"] = Field(default="train", description="Split of the data set.")

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems, in the set's order. Raises UsageError where the set is missing, or a row is not GSM8K's."""
        return collect("gsm8k", _read(set_rows("gsm8k", self.split, "openai/gsm8k", "main")), warn)


def _read(rows: Iterable[Row]) -> Iterator[tuple[str, Problem]]:
    for where, row in rows:
        question = column(row, "question", where)
        solution, marked, answer = column(row, "answer", where).rpartition("####")
        if not marked:
            raise UsageError(f"{where}: column 'answer' has no final line '#### N', so this is not GSM8K's shape")
        solution = _CALCULATOR.sub("", solution).strip()
        level = len(solution.splitlines())
        yield where, Problem(question_id("gsm8k", question), "gsm8k", level, question, answer.strip().replace(",", ""), solution)
