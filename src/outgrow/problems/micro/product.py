"""Product: 347*6=?, one factor a single digit, worked digit by digit from the right with the carry written out."""

import random

from .columns import multiply_columns
from .field import Written, with_digits

DIGITS_AND_LARGEST = {1: (2, 5), 2: (2, 9), 3: (3, 5), 4: (3, 9), 5: (4, 5), 6: (4, 9)}


class Product:
    name = "product"

    def draw(self, level: int, rng: random.Random) -> Written:
        count, largest = DIGITS_AND_LARGEST[level]
        a, b = with_digits(count, rng), rng.randint(2, largest)
        return Written(f"{a}*{b}", f"{a}*{b}=?", a * b, multiply_columns(a, b))
