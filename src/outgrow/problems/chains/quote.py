"""A field without arithmetic: its answer is a number that its question holds. It teaches a chain's form, and no pair of fields.

`85=?` comes first in a chain: `85=x;x*6=?`. As a later question it is text of random signs with a name in it, as in
`say 7+x-*3=?`, and its answer is the named value. Solutions of chains write each question out, so random signs are learnt by
copying them only.
"""

import random

from ..micro.field import Taking, Written

_SIGNS = ("+", "-", "*", ",", ": ", "clock ")
_LARGEST = {1: 99, 2: 999}  # by level; of higher levels, as level 2


class Quote:
    name = "quote"

    def draw(self, level: int, rng: random.Random) -> Written:
        value = rng.randint(1, _LARGEST[min(level, 2)])
        return Written(str(value), f"{value}=?", value, "")

    def take(self, value: int, name: str, level: int, rng: random.Random) -> Taking | None:
        """Write the value, whatever it is, among random signs and numbers."""
        pieces = [rng.choice(_SIGNS) if rng.random() < 0.5 else str(rng.randint(1, 99)) for _ in range(rng.randint(1, 5))]
        place = rng.randint(0, len(pieces))
        question, written = (f"say {''.join([*pieces[:place], word, *pieces[place:]])}=?" for word in (name, str(value)))
        return Taking(question, Written(f"{written}:{place}", written, value, ""))
