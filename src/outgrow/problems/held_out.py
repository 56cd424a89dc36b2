"""The slice of a recipe's own problems that is measured and never practised, where the recipe names no suite."""

import hashlib
from collections.abc import Iterable, Sequence

from ..core.errors import UsageError
from ..types import Problem
from .overlap import fold

HELD_OUT = "held-out"
"""Name of the slice, in place of a suite's."""

FEWEST_PROBLEMS = 10
"""A recipe with fewer problems must name a suite."""
_SHARE = 0.2
_FEWEST, _MOST = 5, 200


def held_out_slice(problems: Sequence[Problem]) -> list[Problem]:
    """Return a fifth of the problems, 5 to 200 of them: those whose questions have the smallest hashes, in this order.

    The hash is of the question without case, blanks and punctuation and of nothing else, so that the slice hardly changes when
    problems are added. Raises UsageError where there are fewer than 10 different questions.
    """
    ordered = by_hash(problems)
    if len(ordered) < FEWEST_PROBLEMS:
        raise UsageError(
            f"{len(ordered)} different questions are too few to hold some out (at least {FEWEST_PROBLEMS}); name problems to "
            'measure on: evaluate.suite = "test.jsonl"'
        )
    return ordered[: slice_size(len(ordered))]


def slice_size(problems: int) -> int:
    """Return how many of this many different problems are held out.

    >>> slice_size(20), slice_size(100), slice_size(7473)
    (5, 20, 200)
    """
    return min(_MOST, max(_FEWEST, round(_SHARE * problems)))


def by_hash(problems: Iterable[Problem]) -> list[Problem]:
    """Return one problem for each different question, in the order of a hash of the question."""
    first: dict[str, Problem] = {}
    for problem in problems:
        first.setdefault(fold(problem.about or problem.question), problem)
    return [first[question] for question in sorted(first, key=_hash)]


def _hash(question: str) -> bytes:
    return hashlib.sha256(f"held-out:{question}".encode("utf-8", "surrogatepass")).digest()
