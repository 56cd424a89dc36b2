"""Sum: 347+85=?, worked digit by digit from the right with the carry written out."""

import random

from .columns import add_columns, carries
from .field import Written, with_digits

DIGITS = {1: (2, 1), 2: (2, 2), 3: (3, 2), 4: (3, 3), 5: (4, 4), 6: (4, 4)}
FEWEST_CARRIES = {6: 3}  # the hardest level is long and carries nearly everywhere


class Sum:
    name = "sum"

    def draw(self, level: int, rng: random.Random) -> Written:
        while True:
            a, b = (with_digits(count, rng) for count in DIGITS[level])
            if carries(a, b) >= FEWEST_CARRIES.get(level, 0):
                break
        if rng.random() < 0.5:
            a, b = b, a
        low, high = sorted((a, b))
        return Written(f"{low}+{high}", f"{a}+{b}=?", a + b, add_columns(a, b))
