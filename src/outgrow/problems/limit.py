"""A seeded sample of a set of problems, in place of the whole set."""

from collections.abc import Sequence

from pydantic.dataclasses import dataclass

from ..core.rng import seed_from
from ..types import Problem


@dataclass(frozen=True)
class Limit:
    """How a sample of problems was taken.

    >>> str(Limit(200, 1319, 0))
    '200 of 1,319, seed 0'
    """

    n: int
    """Problems in the sample."""
    of: int
    """Problems in the whole set."""
    seed: int

    def __str__(self) -> str:
        return f"{self.n:,} of {self.of:,}, seed {self.seed}"


def limited(problems: Sequence[Problem], n: int | None, seed: int) -> tuple[list[Problem], Limit | None]:
    """Return a sample of n problems, in their order, and how it was taken; all problems and None where these are not more than n.

    Whether a problem is in the sample depends on its id, n and the seed, and on the other problems, but not on their order. The
    sample of a smaller n is part of that of a larger n.
    """
    if n is None or n >= len(problems):
        return list(problems), None
    places = sample_places([problem.id for problem in problems], n, seed)
    return [problems[place] for place in places], Limit(n, len(problems), seed)


def sample_places(ids: Sequence[str], n: int, seed: int) -> list[int]:
    """Return the places, in order, of the n ids with the smallest numbers, each drawn for its id and the seed."""
    drawn = sorted(range(len(ids)), key=lambda place: (seed_from(seed, "limit", ids[place]), place))
    return sorted(drawn[:n])
