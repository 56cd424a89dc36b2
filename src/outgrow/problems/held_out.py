"""The slice of a recipe's own problems that is measured and never practised, where the recipe names no suite."""

import hashlib
from collections.abc import Iterable, Sequence

from ..core.errors import UsageError
from ..types import Problem
from .overlap import fold

HELD_OUT = "held-out"
"""Name of the slice, in place of a suite's."""

SHARE = 0.2
FEWEST, MOST = 5, 200
_FEWEST_OF = 10


def held_out_slice(problems: Sequence[Problem]) -> list[Problem]:
    """Return a fifth of the problems, 5 to 200 of them: those whose questions have the smallest hashes, in this order.

    The hash is of the question without case, blanks and punctuation and of nothing else, so that the slice hardly changes when
    problems are added. Raises UsageError where there are fewer than 10 different questions.
    """
    ordered = by_hash(problems)
    if len(ordered) < _FEWEST_OF:
        raise UsageError(
            f"{len(ordered)} different questions are too few to hold some out (at least {_FEWEST_OF}); name problems to measure "
            'on: evaluate.suite = "test.jsonl"'
        )
    return ordered[: min(MOST, max(FEWEST, round(SHARE * len(ordered))))]


def by_hash(problems: Iterable[Problem]) -> list[Problem]:
    """Return one problem for each different question, in the order of a hash of the question."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(fold(problem.about or problem.question), problem)
    return [first[question] for question in sorted(first, key=_hash)]


def _hash(question: str) -> bytes:
    return hashlib.sha256(f"held-out:{question}".encode("utf-8", "surrogatepass")).digest()
