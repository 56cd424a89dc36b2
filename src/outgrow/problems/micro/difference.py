"""Difference: 412-85=?, worked digit by digit from the right; a borrowed ten is marked with '."""

import random

from .field import Written, digits_upward, with_digits

DIGITS = {1: (2, 1), 2: (2, 2), 3: (3, 2), 4: (3, 3), 5: (4, 3), 6: (4, 4)}


class Difference:
    name = "difference"

    def draw(self, level: int, rng: random.Random) -> Written:
        a, b = (with_digits(count, rng) for count in DIGITS[level])
        a, b = max(a, b), min(a, b)
        return Written(f"{a}-{b}", f"{a}-{b}=?", a - b, _steps(a, b))


def _steps(a: int, b: int) -> str:
    lines, borrow = [], 0
    width = len(str(a))
    for x, y in zip(digits_upward(a, width), digits_upward(b, width), strict=True):
        digit = x - y - borrow
        mark = "'" if digit < 0 else ""
        lines.append(f"{x}-{y}-{borrow}={digit % 10}{mark}")
        borrow = int(digit < 0)
    return ",".join(lines)
