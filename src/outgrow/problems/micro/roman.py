"""Roman numeral to number, worked from the left as a running total after each run of equal symbols."""

import random

from .field import Written

SYMBOLS = (
    ("M", 1000), ("CM", 900), ("D", 500), ("CD", 400), ("C", 100), ("XC", 90), ("L", 50),
    ("XL", 40), ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1),
)  # fmt: skip
RANGE = {1: (1, 99), 2: (100, 299), 3: (300, 699), 4: (700, 1399), 5: (1400, 1999), 6: (2000, 3999)}


class Roman:
    name = "roman"

    def draw(self, level: int, rng: random.Random) -> Written:
        value = rng.randint(*RANGE[level])
        numeral, totals, rest = "", [], value
        for symbol, worth in SYMBOLS:
            run, rest = symbol * (rest // worth), rest % worth
            if run:
                numeral += run
                totals.append(f"{run}{value - rest}")
        return Written(numeral, f"roman {numeral}=?", value, ",".join(totals))
