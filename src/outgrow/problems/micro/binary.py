"""Binary to decimal: double and add the next bit, worked from the left."""

import random

from .field import Written

BITS = {1: (3, 6), 2: (7, 7), 3: (8, 8), 4: (9, 9), 5: (10, 10), 6: (11, 11)}


class Binary:
    name = "binary"

    def draw(self, level: int, rng: random.Random) -> Written:
        fewest, most = BITS[level]
        value = rng.randrange(2 ** (fewest - 1), 2**most)
        bits = f"{value:b}"
        totals = [str(int(bits[: i + 1], 2)) for i in range(len(bits))]
        return Written(bits, f"binary {bits}=?", value, ",".join(totals))
