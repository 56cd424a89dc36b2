"""Fields that stand for the form of a chain: easy ones, which no other source has and no figure counts.

A small model that is shown the form with some pairs of fields learns these pairs and not the form. So it is shown pairs with one of
these at least, in which every field stands next to several others.
"""

import random
from dataclasses import dataclass

from ..micro.field import Taking, Written

_SIZES = {1: (10, 99), 2: (10, 999), 3: (100, 999), 4: (100, 999), 5: (100, 999), 6: (100, 999)}


@dataclass
class FormField:
    """A rule on one number: `last 847=?` is 7."""

    name: str

    def draw(self, level: int, rng: random.Random) -> Written:
        """Draw a number of the level and write the problem."""
        return self._write(rng.randint(*_SIZES[level]))

    def take(self, value: int, name: str, level: int, rng: random.Random) -> Taking | None:
        """Write the problem with this value; None where it has one digit, and so no first and last one."""
        return Taking(f"{self.name} {name}=?", self._write(value)) if value > 9 else None

    def _write(self, value: int) -> Written:
        answer, steps = _RULES[self.name](str(value))
        return Written(str(value), f"{self.name} {value}=?", int(answer), steps)


def _turned(digits: str) -> tuple[str, str]:
    return digits[::-1], ",".join(digits[::-1])


def _total(digits: str) -> tuple[str, str]:
    totals = [str(sum(map(int, digits[: place + 1]))) for place in range(len(digits))]
    return totals[-1], ",".join(totals)


_RULES = {
    "first": lambda digits: (digits[0], digits[0]),
    "last": lambda digits: (digits[-1], digits[-1]),
    "front": lambda digits: (digits[:-1], ",".join(digits[:-1])),
    "ends": lambda digits: (digits[0] + digits[-1], f"{digits[0]},{digits[-1]}"),
    "turn": _turned,
    "total": _total,
}

FORM_FIELDS = {name: FormField(name) for name in _RULES}
