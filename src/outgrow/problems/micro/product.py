"""Product: 347*6=?, one factor a single digit, worked digit by digit from the right with the carry written out."""

import random

from .field import Written, digits_upward, with_digits

DIGITS_AND_LARGEST = {1: (2, 5), 2: (2, 9), 3: (3, 5), 4: (3, 9), 5: (4, 5), 6: (4, 9)}


class Product:
    name = "product"

    def draw(self, level: int, rng: random.Random) -> Written:
        count, largest = DIGITS_AND_LARGEST[level]
        a, b = with_digits(count, rng), rng.randint(2, largest)
        return Written(f"{a}*{b}", f"{a}*{b}=?", a * b, _steps(a, b))


def _steps(a: int, b: int) -> str:
    lines, carry = [], 0
    for x in digits_upward(a, len(str(a))):
        lines.append(f"{x}*{b}+{carry}={x * b + carry}")
        carry = (x * b + carry) // 10
    return ",".join(lines)
