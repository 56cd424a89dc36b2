"""What a source must give, whoever wrote it: problems of plain Python values, each with a question and a known answer."""

from dataclasses import replace
from typing import Any

from ..core.callbacks import Warn
from ..core.errors import UsageError
from ..types import Problem
from .cell import Unusable, answer_text, cell_text, plain
from .collect import skipped_rows
from .known_answer import holds_solution, known_answer
from .source import Source


def checked_problems(source: Source, warn: Warn) -> list[Problem]:
    """Return what a source loads, with Python values in place of numpy's and pandas', and answers in place of whole solutions.

    Problems without a question or a known answer are skipped, with a warning. Raises UsageError where a source gives something else
    than problems, or a level that is not a whole number.
    """
    problems: list[Problem] = []
    skipped: list[tuple[str, str]] = []
    for number, problem in enumerate(source.load(warn), 1):
        where = f"problem {number}"
        if not isinstance(problem, Problem):
            raise UsageError(f"{source.type}, {where}: a source gives outgrow.types.Problem, not {type(problem).__name__}")
        try:
            problems.append(_checked(problem))
        except Unusable as reason:
            skipped.append((where, str(reason)))
        except (TypeError, ValueError) as error:
            raise UsageError(f"{source.type}, {where}: its level {problem.level} is not a whole number") from error
    if skipped:
        warn(skipped_rows(source.type, skipped))
    return problems


def _checked(problem: Problem) -> Problem:
    values = {
        "id": _text(problem.id),
        "field": _text(problem.field),
        "level": _level(problem.level),
        "question": _text(problem.question),
        "solution": _text(problem.solution) if problem.solution else "",
        **({} if problem.scorer else _answers(problem)),
    }
    same = all(type(value) is type(before := getattr(problem, name)) and value == before for name, value in values.items())
    return problem if same else replace(problem, **values)


def _answers(problem: Problem) -> dict[str, Any]:
    value = problem.answer
    if not isinstance(value, str) or holds_solution(value):
        known = known_answer(value, problem.question)
        answers = (known.answer, *known.alternatives, *map(_answer, problem.alternatives))
    else:
        answers = (_text(value), *map(_answer, problem.alternatives))
    return {"answer": answers[0], "alternatives": answers[1:]}


def _answer(value: object) -> str:
    return _text(value) if isinstance(value, str) else answer_text(value)


def _text(value: object) -> str:
    """Return a text as it is written. Raises Unusable as `cell_text` does."""
    text = cell_text(value)
    return str(value) if isinstance(value, str) else text


def _level(value: Any) -> int:
    """Return a level as a Python number; 0 where it is missing. Raises TypeError or ValueError where it is not a whole number."""
    value = plain(value)
    if value is None or value != value:
        return 0
    level = int(value)
    if level != value:
        raise ValueError
    return level
