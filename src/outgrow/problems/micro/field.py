"""What a micro field is: a family of procedural problems with integer answers, six levels, and written-out solutions."""

import random
from dataclasses import dataclass
from typing import Protocol

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


class Field(Protocol):
    """A field draws operands for a level and writes them out. Both are pure: the same generator state, the same problem."""

    name: str

    def draw(self, level: int, rng: random.Random) -> Written: ...


def with_digits(count: int, rng: random.Random) -> int:
    """Return a number of exactly `count` decimal digits, without a leading zero."""
    return rng.randrange(10 ** (count - 1), 10**count)
