"""Difference: 412-85=?, worked digit by digit from the right; a borrowed ten is marked with '."""

import random

from .columns import carries, subtract_columns
from .field import Taking, Written, with_digits

DIGITS = {1: (2, 1), 2: (2, 2), 3: (3, 2), 4: (3, 3), 5: (4, 4), 6: (4, 4)}
FEWEST_BORROWS = {6: 3}  # the hardest level is long and borrows wherever it can


class Difference:
    name = "difference"

    def draw(self, level: int, rng: random.Random) -> Written:
        while True:
            a, b = (with_digits(count, rng) for count in DIGITS[level])
            a, b = max(a, b), min(a, b)
            # a − b borrows exactly where (a − b) + b carries
            if carries(a - b, b) >= FEWEST_BORROWS.get(level, 0):
                return _write(a, b)

    def take(self, value: int, name: str, level: int, rng: random.Random) -> Taking | None:
        if value < 2:
            return None
        b = rng.randint(1, min(value, 10 ** DIGITS[level][1]) - 1)
        return Taking(f"{name}-{b}=?", _write(value, b))

    def join(self, values: tuple[int, int], names: tuple[str, str]) -> Taking | None:
        (b, second), (a, first) = sorted(zip(values, names, strict=True))
        return Taking(f"{first}-{second}=?", _write(a, b)) if b < a else None


def _write(a: int, b: int) -> Written:
    return Written(f"{a}-{b}", f"{a}-{b}=?", a - b, subtract_columns(a, b))
