"""Problems from rows with named columns: any JSONL or Parquet file, any set on the hub."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from ..core.callbacks import Warn, quiet
from ..core.errors import UsageError
from ..core.inputs import ReadsFrom
from ..types import Problem
from .overlap import question_id
from .rows import Row, file_rows, hub_rows
from .source import Source


class Table(Source):
    """Problem source `table`: one problem a row, from `path` (.jsonl, .parquet) or from `hub` (an id, with `split`).

    question, answer, solution, level, field: the columns that hold them. A level may be a number or a text with one ("Level 3").
    Rows without an answer are skipped, with a warning.
    """

    type: str = "table"
    path: Annotated[Path | None, ReadsFrom("files")] = Field(
        default=None, description="A .jsonl or .parquet file, in place of `hub`."
    )
    hub: str | None = Field(default=None, description="Id of a data set on the hub, in place of `path`.")
    config: str | None = Field(default=None, description="Configuration of the data set on the hub.")
    split: str = Field(default="train", description="Split of the data set on the hub.")
    question: str = Field(default="question", description="Column that holds the question.")
    answer: str = Field(default="answer", description="Column that holds the answer.")
    solution: str | None = Field(default=None, description="Column that holds a written-out solution, for SFT.")
    level: str | None = Field(default=None, description="Column that holds the level: a number, or a text that contains one.")
    field: str | None = Field(default=None, description="Column that holds the field.")

    @model_validator(mode="after")
    def _one_of(self) -> "Table":
        if (self.path is None) == (self.hub is None):
            raise ValueError("needs either path or hub")
        return self

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems, in the order of the rows. Raises UsageError naming the row that cannot be read."""
        if self.path is not None:
            name, rows = self.path.stem, file_rows(self.path)
        else:
            assert self.hub is not None
            name, rows = self.hub, hub_rows(self.hub, self.split, self.config)
        return collect(name, self._read(name, rows), warn)

    def _read(self, name: str, rows: Iterable[Row]) -> Iterator[tuple[str, Problem]]:
        for where, row in rows:
            question = column(row, self.question, where)
            yield (
                where,
                Problem(
                    id=question_id(name, question),
                    field=column(row, self.field, where) if self.field else name,
                    level=level_of(column(row, self.level, where)) if self.level else 0,
                    question=question,
                    answer=column(row, self.answer, where),
                    solution=column(row, self.solution, where) if self.solution else "",
                ),
            )


def column(row: dict[str, Any], name: str, where: str) -> str:
    """Return a column's text; numbers are written out, null is empty. Raises UsageError naming the row where it is missing."""
    if name not in row:
        raise UsageError(f"{where}: no column {name!r}; it has {', '.join(map(repr, row))}")
    value = row[name]
    if isinstance(value, (dict, list)):
        raise UsageError(f"{where}: column {name!r} holds {type(value).__name__} values; a text or a number is needed")
    return "" if value is None else str(value).strip()


def level_of(text: str) -> int:
    """Return the level that a column writes; 0 where it writes no number.

    >>> level_of("Level 3"), level_of("4"), level_of("Level ?")
    (3, 4, 0)
    """
    digits = "".join(character for character in text if character in "0123456789")
    return int(digits[:9] or 0)


def collect(name: str, read: Iterable[tuple[str, Problem]], warn: Warn) -> list[Problem]:
    """Return the problems with an answer, each question once; warn of what is skipped. Raises UsageError where nothing remains."""
    problems: dict[str, Problem] = {}
    unanswered: list[str] = []
    repeated = 0
    for where, problem in read:
        if not problem.question or not problem.answer:
            unanswered.append(where)
        elif problem.id in problems:
            repeated += 1
        else:
            problems[problem.id] = problem
    if unanswered:
        rest = f" and {len(unanswered) - 3} more" if len(unanswered) > 3 else ""
        warn(f"{name}: skipped {len(unanswered)} rows without a question or an answer ({', '.join(unanswered[:3])}{rest})")
    if repeated:
        warn(f"{name}: skipped {repeated} rows that repeat a question")
    if not problems:
        raise UsageError(f"{name}: no problem with a question and an answer in it")
    return list(problems.values())
