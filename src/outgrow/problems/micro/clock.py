"""Clock arithmetic: on a clock of m hours, which hour is it b hours after a? Add, then take away whole rounds."""

import random

from .columns import add_columns, subtract_columns
from .field import Written

# level -> (largest clock, whole rounds in b)
CLOCK_AND_ROUNDS = {1: (12, 0), 2: (24, 0), 3: (36, 0), 4: (48, 0), 5: (24, 1), 6: (48, 1)}
SMALLEST_CLOCK = 5


class Clock:
    name = "clock"

    def draw(self, level: int, rng: random.Random) -> Written:
        largest, rounds = CLOCK_AND_ROUNDS[level]
        m = rng.randint(SMALLEST_CLOCK, largest)
        a, b = rng.randrange(m), m * rounds + rng.randrange(m)
        low, high = sorted((a, b))
        return Written(f"{low}+{high}@{m}", f"clock {m}: {a}+{b}=?", (a + b) % m, _steps(a, b, m))


def _steps(a: int, b: int, m: int) -> str:
    value = a + b
    lines = [f"{add_columns(a, b)}:{value}"]
    while value >= m:
        lines.append(f"{subtract_columns(value, m)}:{value - m}")
        value -= m
    return ";".join(lines)
