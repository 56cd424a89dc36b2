"""Sum: 347+85=?, worked digit by digit from the right with the carry written out."""

import random

from .columns import add_columns, carries
from .field import Taking, Written, with_digits

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
        return _write(a, b)

    def take(self, value: int, name: str, level: int, rng: random.Random) -> Taking:
        b = with_digits(DIGITS[level][1], rng)
        if rng.random() < 0.5:
            return Taking(f"{b}+{name}=?", _write(b, value))
        return Taking(f"{name}+{b}=?", _write(value, b))

    def join(self, values: tuple[int, int], names: tuple[str, str]) -> Taking:
        return Taking(f"{names[0]}+{names[1]}=?", _write(*values))


def _write(a: int, b: int) -> Written:
    low, high = sorted((a, b))
    return Written(f"{low}+{high}", f"{a}+{b}=?", a + b, add_columns(a, b))
