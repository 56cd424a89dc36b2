"""What a micro field is: a family of procedural problems with integer answers, six levels, and written-out solutions."""

import random
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

LEVELS = (1, 2, 3, 4, 5, 6)


@dataclass(frozen=True)
class Written:
    """One problem, written out.

    key: canonical operands; two questions that ask the same thing (3+5, 5+3) have the same key.
    steps: the worked solution that stands between <think> and </think> in SFT; RL never sees it.
    """

    key: str
    question: str
    answer: int
    steps: str


@dataclass(frozen=True)
class Taking:
    """A problem with values from elsewhere among its numbers.

    question: with names in place of the values, as in x*6=?. written: with the values, as in 85*6=?.
    """

    question: str
    written: Written


class Field(Protocol):
    """A field draws operands for a level and writes them out. Both are pure: the same generator state, the same problem."""

    name: str

    def draw(self, level: int, rng: random.Random) -> Written: ...


@runtime_checkable
class Taker(Field, Protocol):
    """A field whose problems can take a value, such as the answer of another problem, as one of their numbers."""

    def take(self, value: int, name: str, level: int, rng: random.Random) -> Taking | None:
        """Write a problem with this value, called `name`. None where no problem of the level has it."""


@runtime_checkable
class Joiner(Field, Protocol):
    """A field whose problems can have both of their numbers from elsewhere."""

    def join(self, values: tuple[int, int], names: tuple[str, str]) -> Taking | None:
        """Write the problem with these values. None where there is none."""


def require_levels(levels: tuple[int, ...]) -> tuple[int, ...]:
    """Return these levels. Raises ValueError where there is none, or one that fields do not have."""
    if not levels or not set(levels) <= set(LEVELS):
        raise ValueError(f"levels must be some of {list(LEVELS)}")
    return levels


def with_digits(count: int, rng: random.Random) -> int:
    """Return a number of exactly `count` decimal digits, without a leading zero."""
    return rng.randrange(10 ** (count - 1), 10**count)
