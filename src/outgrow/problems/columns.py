"""The columns of a table: by name, by a dotted path into nested values, or found by the names that people use."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import UsageError, nearest
from ..core.type_words import toml
from .chat import has_reply, is_chat
from .known_answer import holds_answer

QUESTIONS = (
    "question", "problem", "extra_info.question", "prompt", "messages", "conversations", "query", "instruction",
    "problem_statement", "input",
)  # fmt: skip
"""Names of a question's column, in any case; the first that a table has counts, but `prompt` before all where it is a chat."""
ANSWERS = (
    "answer", "final_answer", "ground_truth", "reward_model.ground_truth", "expected_answer", "extra_info.answer", "gold_answer",
    "correct_answer", "answerKey", "gold", "target",
)  # fmt: skip
"""Names of an answer's column, in any case; the first that a table has counts."""
SOLUTIONS = ("solution", "worked_solution", "rationale")
"""Names of a worked solution's column, in any case. It holds the answer too where it can and no answer's column is there."""
_MISSING = object()
_SHOWN, _LONGEST = 30, 100  # columns of a row in a message, and characters of their names
_PROMPT = "prompt"  # what a model is given, word for word, in the data sets of trainers


@dataclass(frozen=True)
class Columns:
    """Which columns hold what."""

    question: str
    answer: str | None
    """None where the question's column is a chat whose last turn, the reply, holds the answer."""
    solution: str | None = None


def find_columns(
    row: dict[str, Any],
    where: str,
    question: str | None = None,
    answer: str | None = None,
    solution: str | None = None,
    name: str | None = None,
) -> Columns:
    """Return the columns of a table whose first row this is. question, answer, solution: those that a person named.

    name: the table's name, to which columns can be added (see `named_table`); None where a recipe names them.
    Raises UsageError naming the columns that are there where a question's or an answer's is not found.
    """
    chat = next((key for key in row if key.casefold() == _PROMPT and is_chat(row[key])), None)
    asked = question or chat or _first(row, QUESTIONS)
    worked = solution or _first(row, (*SOLUTIONS, "completion") if asked == _PROMPT else SOLUTIONS)
    answers = answer or _first(row, ANSWERS) or (worked if worked and holds_answer(_text_of(lookup(row, worked))) else None)
    replies = asked is not None and is_chat(value := lookup(row, asked)) and has_reply(value)
    if asked is None or (answers is None and not replies):
        raise UsageError(f"{where}: {_not_found(row, asked, answers, name)}")
    return Columns(asked, answers, worked)


def value_at(row: dict[str, Any], path: str, where: str) -> Any:
    """Return the value of a column: its name, or a path such as reward_model.ground_truth or choices.0; None below a null.

    Raises UsageError naming the row and its columns where it has no such column.
    """
    value = lookup(row, path)
    if value is _MISSING:
        raise UsageError(f"{where}: no column {path!r}{_close(path, row)}; it has {_listed(row)}")
    return value


def lookup(row: dict[str, Any], path: str) -> Any:
    """Return the value of a column or path, or a mark of its own where there is none."""
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        if value is None:
            return None
        if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):  # nested values written as JSON
            value = _parsed(value)
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _MISSING
    return value


def _first(row: dict[str, Any], names: tuple[str, ...]) -> str | None:
    spelled = {key.casefold(): key for key in reversed(list(row))}
    for name in names:
        path = spelled.get(name.casefold(), name)
        if lookup(row, path) is not _MISSING:
            return path
    return None


def _not_found(row: dict[str, Any], question: str | None, answer: str | None, name: str | None) -> str:
    """Return what is missing, and how to name it: behind the table's name, or in a recipe where it has none."""
    missing = [what for what, column in (("question", question), ("answer", answer)) if column is None]
    named = [column for column in _names(row) if column not in (question, answer)]
    free = [column for column in named if column and column.isprintable() and len(column) <= _LONGEST]
    free += ["COLUMN"] * len(missing)
    chosen = list(zip(missing, free, strict=False))
    if name is None:
        example = ", ".join(f"{what} = {toml(column)}" for what, column in chosen)
    else:
        example = shlex.quote(":".join([name, *(f"{what}={column}" for what, column in chosen)]))
    return f"no column that is known to hold the {' or the '.join(missing)}; it has {_listed(row)}. Name it, for example: {example}"


def _listed(row: dict[str, Any]) -> str:
    return listed(_names(row))


def listed(names: Sequence[str]) -> str:
    """Return names for a message, of many only the first.

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    rest = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(_short(name)) for name in names[:_SHOWN]) + rest


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def _close(path: str, row: dict[str, Any]) -> str:
    hint = nearest(path, _names(row))
    return hint if "did you mean" in hint else ""


def _names(row: dict[str, Any]) -> list[str]:
    """Return the names of a row's columns, and the paths one level below."""
    below = [f"{key}.{name}" for key, value in row.items() if isinstance(value, dict) for name in value]
    return [key for key, value in row.items() if not isinstance(value, dict)] + below


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _text_of(value: Any) -> Any:
    """Return the text of a chat's last turn; what is not a chat as it is."""
    return value[-1].get("content", value[-1].get("value")) if is_chat(value) else value
