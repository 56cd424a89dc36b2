"""Roman numeral to number, worked from the left as a running total after each run of equal symbols."""

import random

from .field import Written

SYMBOLS = (
    ("M", 1000), ("CM", 900), ("D", 500), ("CD", 400), ("C", 100), ("XC", 90), ("L", 50),
    ("XL", 40), ("X", 10), ("IX", 9), ("V", 5), ("IV", 4), ("I", 1),
)  # fmt: skip
LARGEST = 3999
# level -> how many letters the numeral has
LENGTH = {1: (1, 4), 2: (5, 6), 3: (7, 7), 4: (8, 9), 5: (10, 11), 6: (12, 15)}


class Roman:
    name = "roman"

    def draw(self, level: int, rng: random.Random) -> Written:
        fewest, most = LENGTH[level]
        while True:
            value = rng.randint(1, LARGEST)
            numeral, totals = _write(value)
            if fewest <= len(numeral) <= most:
                return Written(numeral, f"roman {numeral}=?", value, ",".join(totals))


def _write(value: int) -> tuple[str, list[str]]:
    """Return the numeral, and each run of equal symbols with the total so far: 23 is XXIII, XX20 and III23."""
    numeral, totals, rest = "", [], value
    for symbol, worth in SYMBOLS:
        run, rest = symbol * (rest // worth), rest % worth
        if run:
            numeral += run
            totals.append(f"{run}{value - rest}")
    return numeral, totals
