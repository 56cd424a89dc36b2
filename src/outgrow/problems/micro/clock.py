"""Clock arithmetic: on a clock of m hours, which hour is it b hours after a? Add, then take away the whole round."""

import random

from .columns import add_columns, subtract_columns
from .field import Written

# level -> smallest and largest clock; the hand always goes past the top once
CLOCK = {1: (5, 12), 2: (13, 24), 3: (25, 36), 4: (37, 48), 5: (49, 72), 6: (73, 99)}


class Clock:
    name = "clock"

    def draw(self, level: int, rng: random.Random) -> Written:
        m = rng.randint(*CLOCK[level])
        a = rng.randrange(1, m)
        b = rng.randrange(m - a, m)
        low, high = sorted((a, b))
        hour = a + b - m
        steps = f"{add_columns(a, b)}:{a + b};{subtract_columns(a + b, m)}"
        return Written(f"{low}+{high}@{m}", f"clock {m}: {a}+{b}=?", hour, steps)
