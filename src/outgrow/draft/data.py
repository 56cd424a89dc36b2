"""What a file of problems holds: columns, answers, lengths, scripts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import UsageError
from ..problems.columns import find_columns
from ..problems.held_out import FEWEST_PROBLEMS
from ..problems.named_table import named_table
from ..problems.overlap import without_held_out
from ..problems.suites import suite
from ..problems.table import Table
from ..types import Problem
from .answers import AnswerFindings, AnswerKind, look_at_answers
from .extra_columns import field_column, level_column
from .scripts import scripts_of

_LISTED_CHOICE = re.compile(r"(?:^|[\s(])[A-J][).:]", re.MULTILINE)
_LONGEST = 64  # longest questions, whose prompts are counted in tokens
_SAMPLE = 256  # questions and solutions that are counted in tokens
_SCRIPT_SAMPLE = 2000


@dataclass(frozen=True)
class DataFindings:
    """What is known of a person's problems."""

    table: Table
    """The source for the recipe: columns are named where they are not called question and answer."""
    problems: int
    """Number of problems."""
    fields: int
    """Number of different fields."""
    answers: AnswerFindings
    longest: tuple[str, ...]
    """The longest questions, by letters."""
    questions: tuple[str, ...]
    """Questions, evenly taken from the file."""
    median_question: int
    """Letters of the middle question."""
    solutions: tuple[str, ...]
    """Written-out solutions, evenly taken from the file; empty where fewer than half of the problems have one."""
    scripts: tuple[str, ...]
    """Scripts of the questions, the most frequent first."""
    notes: tuple[str, ...]
    """What a person should know, a line each: rows that are skipped, answers that a guess gets right."""


@dataclass(frozen=True)
class HeldOut:
    """Problems of another file, which the run is measured on."""

    name: str
    """Name of the suite."""
    problems: int
    """Number of problems."""
    shared: int
    """Problems of the practice file that ask the same questions; training drops them."""


def look_at_data(name: str, heldout: str | None = None) -> tuple[DataFindings, HeldOut | None]:
    """Return what a table holds (see `named_table` for names), and what the held-out problems are.

    Raises UsageError where one of them cannot be read, where it holds no problems, or too few to hold some out.
    """
    table = named_table(name, "train")
    if table is None:
        raise UsageError(
            f"--data {name}: not found; give a file (.jsonl, .json, .csv, .parquet), a folder, or a hub set as OWNER/NAME"
        )
    notes: list[str] = []
    table = with_columns(table)
    problems = _quiet_about_solutions(table).load(notes.append)
    held = _held_out(heldout, problems) if heldout else None
    practised = len(problems) - (held.shared if held else 0)
    if not practised:
        raise UsageError(f"--heldout {heldout}: holds every question of {name}; nothing is left to practise")
    if held is None and practised < FEWEST_PROBLEMS:
        raise UsageError(f"{name}: {practised} problems are too few to hold some out; give {FEWEST_PROBLEMS} or more, or --heldout")
    return look_at_problems(table, problems, notes), held


def with_columns(table: Table) -> Table:
    """Return the table with the columns of question, answer, level and field named, where they are found and not named yet.

    Raises UsageError where the question or the answer is not found.
    """
    where, rows = table.rows()
    listed = list(rows)
    if not listed:
        raise UsageError(f"{where}: this table has no rows")
    columns = find_columns(listed[0][1], listed[0][0], table.question, table.answer, table.solution, table._name)
    values = [row for _, row in listed]
    found: dict[str, Any] = {"level": table.level or level_column(values), "field": table.field or field_column(values)}
    if columns.question != "question":
        found["question"] = columns.question
    if columns.answer != "answer":
        found["answer"] = columns.answer
    named = table.model_copy(update=found)
    named._name = table._name
    return named


def _quiet_about_solutions(table: Table) -> Table:
    """Return the table with the column of its solutions named, so that loading it does not say which one it is."""
    where, first = next(iter(table.rows()[1]))
    solution = find_columns(first, where, table.question, table.answer, table.solution, table._name).solution
    return table.model_copy(update={"solution": solution})


def look_at_problems(table: Table, problems: Sequence[Problem], notes: Sequence[str] = ()) -> DataFindings:
    """Return what these problems of the table are. notes: what loading them said. Raises ValueError without problems."""
    answers = look_at_answers(problems)
    by_length = sorted((problem.question for problem in problems), key=len)
    solved = [problem.solution for problem in problems if problem.solution]
    return DataFindings(
        table=table,
        problems=len(problems),
        fields=len({problem.field for problem in problems}),
        answers=answers,
        longest=tuple(by_length[-_LONGEST:]),
        questions=_evenly([problem.question for problem in problems]),
        median_question=len(by_length[len(by_length) // 2]),
        solutions=_evenly(solved) if 2 * len(solved) >= len(problems) else (),
        scripts=scripts_of(problem.question for problem in problems[:_SCRIPT_SAMPLE]),
        notes=(*notes, *_answer_notes(answers, problems)),
    )


def _answer_notes(answers: AnswerFindings, problems: Sequence[Problem]) -> list[str]:
    lines = []
    if answers.guess >= 0.25:
        lines.append(f"{answers.commonest!r} is the answer of {answers.guess:.0%} of the problems: guessing it is right that often")
    if answers.kind is AnswerKind.CHOICE:
        without = sum(_LISTED_CHOICE.search(problem.question) is None for problem in problems)
        if 2 * without > len(problems):
            lines.append("answers are letters, but most questions list no choices: write the choices into the question")
    return lines


def _evenly(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(texts[:: max(1, len(texts) // _SAMPLE)])


def _held_out(name: str, practised: Sequence[Problem]) -> HeldOut:
    measured = suite(name).load()
    _, dropped = without_held_out(list(practised), measured)
    return HeldOut(name, len(measured), dropped)
