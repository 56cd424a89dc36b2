"""Difference: 412-85=?, worked digit by digit from the right; a borrowed ten is marked with '."""

import random

from .columns import subtract_columns
from .field import Written, with_digits

DIGITS = {1: (2, 1), 2: (2, 2), 3: (3, 2), 4: (3, 3), 5: (4, 3), 6: (4, 4)}


class Difference:
    name = "difference"

    def draw(self, level: int, rng: random.Random) -> Written:
        a, b = (with_digits(count, rng) for count in DIGITS[level])
        a, b = max(a, b), min(a, b)
        return Written(f"{a}-{b}", f"{a}-{b}=?", a - b, subtract_columns(a, b))
