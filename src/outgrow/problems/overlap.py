"""When two questions are the same question: after folding case, blanks and punctuation."""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator

from ..types import Problem

SIGNS = "*/^<>\\-%!"


def fold(question: str) -> str:
    """Return the letters, digits and mathematical signs of a question in lower case, so that its writing does not count.

    Signs count: without them 3+4 and 3*4 would be one question.

    >>> fold("What's  2+2 ?") == fold("whats 2 + 2")
    True
    >>> fold("3+4=?") == fold("3*4=?")
    False
    """
    folded = unicodedata.normalize("NFKC", question).casefold()
    return "".join(c for c in folded if c.isalnum() or c in SIGNS or unicodedata.category(c) in ("Sm", "Sc"))


def question_id(source: str, question: str) -> str:
    """Return a problem's id: its source and a digest of its question without blanks, independent of the row it is in."""
    return f"{source}:{hashlib.sha256(' '.join(question.split()).encode()).hexdigest()[:16]}"


def without_held_out(problems: Iterable[Problem], held_out: Iterable[Problem]) -> tuple[list[Problem], int]:
    """Return the problems of which no question is held out, and how many were dropped.

    The questions of a problem: its own, or the one it is about, and those of the parts of a chain, which are in its text.
    """
    known = {fold(problem.question) for problem in held_out}
    problems = list(problems)
    held = {asked for asked in {asked for problem in problems for asked in _asked(problem)} if fold(asked) in known}
    practised = [problem for problem in problems if held.isdisjoint(_asked(problem))]
    return practised, len(problems) - len(practised)


def _asked(problem: Problem) -> Iterator[str]:
    yield problem.about or problem.question
    for part in problem.parts:
        yield from _asked(part)
