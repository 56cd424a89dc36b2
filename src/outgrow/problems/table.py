"""Problems from rows with named columns: a file, a folder of splits, any set on the hub."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, takewhile
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, model_validator

from ..core.callbacks import Warn, quiet
from ..core.errors import UsageError
from ..core.inputs import ReadsFrom
from ..types import Problem
from .cell import Unusable, cell_text
from .chat import Chat, is_chat, last_reply, read_chat
from .collect import Read, collect, read_rows
from .columns import Columns, find_columns, listed, value_at
from .formats import Row
from .hub import hub_rows
from .known_answer import known_answer, replied_answer
from .overlap import question_id
from .rows import file_rows
from .source import Source


class Table(Source):
    """Problem source `table`: one problem a row, from `path` (a file, or a folder with files for each split) or from `hub`.

    Files are JSON lines, JSON, CSV, TSV, Parquet or Arrow, also with .gz. question, answer, solution, level, field: their columns,
    by name or by a path into nested values (reward_model.ground_truth). A question may be a chat: its last user turn is the
    question, the turns before it are put to the model as they are, and a last assistant turn is the solution, and the answer where
    no column has it. An answer may be a whole solution that marks it with `####` or a box, or a list of which each item is right. A
    level may be a number or a text with one ("Level 3"). Rows without a question or a known answer are skipped, with a warning.
    """

    type: str = "table"
    path: Annotated[Path | None, ReadsFrom("files")] = Field(
        default=None, description="A file, or a folder with files for each split, in place of `hub`."
    )
    hub: str | None = Field(default=None, min_length=1, description="Id of a data set on the hub, in place of `path`.")
    config: str | None = Field(
        default=None, description="Configuration of the data set on the hub. Default: `default`, or the only one."
    )
    split: str = Field(default="train", description="Split of the data set on the hub, or in the folder.")
    question: str | None = Field(
        default=None, min_length=1, description="Column that holds the question. Default: found by its name."
    )
    answer: str | None = Field(
        default=None, min_length=1, description="Column that holds the known answer. Default: found by its name."
    )
    solution: str | None = Field(
        default=None,
        min_length=1,
        description="Column that holds a written-out solution, for SFT. Default: found by its name, or the solution in the answer.",
    )
    level: str | None = Field(
        default=None, min_length=1, description="Column that holds the level: a number, or a text that contains one."
    )
    field: str | None = Field(default=None, min_length=1, description="Column that holds the field.")

    _name: str | None = PrivateAttr(default=None)
    """The name that stands for the table and its columns, where a person gave it by one (see `named_table`)."""
    _keeps_rows: bool = PrivateAttr(default=False)
    """Whether a problem keeps its row (see `with_rows`)."""

    @model_validator(mode="after")
    def _one_of(self) -> "Table":
        if (self.path is None) == (self.hub is None):
            raise ValueError("needs either path or hub")
        return self

    def with_rows(self) -> "Table":
        table = self.model_copy()
        table._keeps_rows = True
        return table

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems, in the order of the rows. Says which columns it found by itself.

        Raises UsageError naming the row that cannot be read.
        """
        name, rows = self.rows()
        return collect(name, self._read(name, iter(rows), warn), warn)

    def rows(self) -> tuple[str, Iterable[Row]]:
        """Return the table's name and its rows as they are. Raises UsageError naming the row that cannot be read."""
        if self.path is not None:
            return table_name(self.path), file_rows(self.path, self.split)
        assert self.hub is not None
        return self.hub, hub_rows(self.hub, self.split, self.config)

    def _read(self, name: str, rows: Iterator[Row], warn: Warn) -> Iterator[Read]:
        first = next(rows, None)
        if first is None:
            return
        columns = find_columns(first[1], first[0], self.question, self.answer, self.solution, self._name)
        found = _found(columns, self)
        if found:
            warn(f"{name}: {found}")
        yield from read_rows(chain([first], rows), partial(self._problem, name, columns))

    def _problem(self, name: str, columns: Columns, row: dict[str, Any], where: str) -> Problem:
        chat = _chat_at(row, columns.question, where)
        question = chat.question
        if columns.answer is None:
            known = replied_answer(chat.reply, question)
        else:
            known = known_answer(_answer_at(row, columns.answer, where), question)
            known = replace(known, solution=chat.reply or known.solution)
        return Problem(
            id=question_id(name, "\n".join([*map(": ".join, chat.turns), question])),
            field=optional_text(row, self.field, where) or name if self.field else name,
            level=level_of(optional_text(row, self.level, where)) if self.level else 0,
            question=question,
            answer=known.answer,
            solution=_solution_at(row, columns.solution, where) if columns.solution else known.solution,
            alternatives=known.alternatives,
            turns=chat.turns,
            row=json.dumps(row, default=str, ensure_ascii=False) if self._keeps_rows else "",
        )


def table_name(path: Path) -> str:
    """Return a file's name without suffixes, or the folder's.

    >>> table_name(Path("sets/train.jsonl.gz"))
    'train'
    """
    return Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem


def text_at(row: dict[str, Any], column: str, where: str) -> str:
    """Return a column's text.

    Raises UsageError where the column is missing, Unusable where it holds no text.
    """
    value = value_at(row, column, where)
    if isinstance(value, dict | list):
        raise UsageError(f"{where}: column {column!r} holds {type(value).__name__} values; a text or a number is needed")
    return cell_text(value)


def optional_text(row: dict[str, Any], column: str, where: str) -> str:
    """Return a column's text, or an empty one where it holds none. Raises UsageError where it is missing."""
    try:
        return text_at(row, column, where)
    except Unusable:
        return ""


def level_of(text: str) -> int:
    """Return the first whole number that a level's text writes; 0 where it writes none.

    >>> level_of("Level 3"), level_of("4"), level_of("Level ?"), level_of("5.0")
    (3, 4, 0, 5)
    """
    start = next((index for index, character in enumerate(text) if character in "0123456789"), len(text))
    digits = "".join(takewhile(lambda character: character in "0123456789", text[start:]))
    return int(digits[:9] or 0)


def _chat_at(row: dict[str, Any], column: str, where: str) -> Chat:
    """Return the conversation that a question's column holds; a text is a question without turns."""
    value = value_at(row, column, where)
    if not is_chat(value):
        return Chat((), text_at(row, column, where), "")
    chat = read_chat(value)
    if chat.reply and column.rpartition(".")[2] == "prompt":
        raise Unusable("a prompt that ends with an assistant turn, to be continued")
    return chat


def _solution_at(row: dict[str, Any], column: str, where: str) -> str:
    """Return a solution's text, of a chat its last turn; empty where it holds none. Raises UsageError where it is missing."""
    value = value_at(row, column, where)
    try:
        return last_reply(value) if is_chat(value) else text_at(row, column, where)
    except Unusable:
        return ""


def _answer_at(row: dict[str, Any], column: str, where: str) -> Any:
    value = value_at(row, column, where)
    if is_chat(value):
        return last_reply(value)
    items: Iterable[Any] = value if isinstance(value, list) else [value]
    if isinstance(value, dict):
        raise UsageError(f"{where}: column {column!r} holds a table; name one of {listed([f'{column}.{key}' for key in value])}")
    if any(isinstance(item, dict | list) for item in items):
        raise UsageError(f"{where}: column {column!r} holds nested values; a text, a number or a list of them is needed")
    return value


def _found(columns: Columns, named: Table) -> str:
    """Return which columns were found by names other than question and answer; empty where there is nothing to say."""
    found = {
        "the question": columns.question if named.question is None and columns.question != "question" else None,
        "the known answer": columns.answer if named.answer is None and columns.answer != "answer" else None,
        "the solution": columns.solution if named.solution is None else None,
    }
    if columns.answer is None:
        return f"the question and its known answer are in the chat of column {columns.question!r}"
    return ", ".join(f"{what} is column {column!r}" for what, column in found.items() if column)
