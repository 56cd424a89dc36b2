"""Clock arithmetic: on a clock of m hours, which hour is it b hours after a? Add, then take away the whole round."""

import random

from .columns import add_columns, subtract_columns
from .field import Taking, Written

# level -> smallest and largest clock; the hand always goes past the top once
CLOCK = {1: (5, 12), 2: (13, 24), 3: (25, 36), 4: (37, 48), 5: (49, 72), 6: (73, 99)}
SMALLEST = CLOCK[1][0]


class Clock:
    name = "clock"

    def draw(self, level: int, rng: random.Random) -> Written:
        m = rng.randint(*CLOCK[level])
        return _write(m, *_hours(m, rng))

    def take(self, value: int, name: str, level: int, rng: random.Random) -> Taking | None:
        """Write a problem on a clock of `value` hours, whatever its level."""
        if value < SMALLEST:
            return None
        a, b = _hours(value, rng)
        return Taking(f"clock {name}: {a}+{b}=?", _write(value, a, b))


def _hours(m: int, rng: random.Random) -> tuple[int, int]:
    a = rng.randrange(1, m)
    return a, rng.randrange(m - a, m)


def _write(m: int, a: int, b: int) -> Written:
    low, high = sorted((a, b))
    steps = f"{add_columns(a, b)}:{a + b};{subtract_columns(a + b, m)}"
    return Written(f"{low}+{high}@{m}", f"clock {m}: {a}+{b}=?", a + b - m, steps)
