"""Product: 347*6=?, one factor a single digit, worked digit by digit from the right with the carry written out."""

import random

from .columns import multiply_columns
from .field import Taking, Written, with_digits

DIGITS_AND_LARGEST = {1: (2, 5), 2: (2, 9), 3: (3, 5), 4: (3, 9), 5: (4, 5), 6: (4, 9)}


class Product:
    name = "product"

    def draw(self, level: int, rng: random.Random) -> Written:
        count, largest = DIGITS_AND_LARGEST[level]
        a, b = with_digits(count, rng), rng.randint(2, largest)
        return _write(a, b)

    def take(self, value: int, name: str, level: int, rng: random.Random) -> Taking | None:
        if value < 2:
            return None
        b = rng.randint(2, DIGITS_AND_LARGEST[level][1])
        return Taking(f"{name}*{b}=?", _write(value, b))


def _write(a: int, b: int) -> Written:
    return Written(f"{a}*{b}", f"{a}*{b}=?", a * b, multiply_columns(a, b))
