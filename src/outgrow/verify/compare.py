"""Is an extracted answer the known one? What can be decided without LaTeX, and what cannot.

The known answer decides how: a number wants a number, a choice its letter, words the same words. Where it is neither of them,
and the two texts differ, their LaTeX must be compared (see `pool`). So an expression that is not worked out (3+4, 2^{10}) is
wrong where a number is known, and an answer that lists the known number among others is wrong everywhere.
"""

import re

from .fold import fold, words
from .number import read_number, same_number

# No answer in a known data set is half as long; what is longer is not an answer.
LONGEST = 1000

_CHOICE = re.compile(r"\(?([A-Za-z])\)?[.:]?", re.ASCII)
_CHOICE_AND_TEXT = re.compile(r"(?:\(([A-Za-z])\)|([A-Za-z])[).:])(?!.*(?:\([A-Za-z]\)|\b[A-Za-z][).:]|\b[A-Z]$)).+", re.ASCII)
_WORDS = re.compile(r"(?=.*[^\W\d_]{2})[^\W\d_](?:[^\W\d_]|[' -])*")


def same(known: str, answer: str) -> bool | None:
    r"""Return whether `answer` says what `known` says; None where only a comparison of LaTeX can tell.

    >>> same("1000", "$1,000.00"), same("B", r"\text{(B)}"), same("7", "6 or 7"), same(r"\frac{\sqrt3}{3}", r"\frac{1}{\sqrt3}")
    (True, True, False, None)
    """
    if known == answer:
        return True
    if len(answer) > LONGEST:
        return False
    known, answer = fold(known), fold(answer)
    if known == answer:
        return True
    if not answer:
        return False
    if number := read_number(known):
        written = read_number(answer)
        return written is not None and same_number(number, written)
    known, answer = words(known), words(answer)
    if (choice := _CHOICE.fullmatch(known)) and choice[1].isupper():
        return _letter(answer) == choice[1]
    if _WORDS.fullmatch(known):
        return answer.casefold() == known.casefold()
    return None


def _letter(answer: str) -> str | None:
    """Return the capital letter of a choice: B, (B), B. or b), by itself or before its text; None where another choice follows."""
    found = _CHOICE.fullmatch(answer) or _CHOICE_AND_TEXT.fullmatch(answer)
    return next(filter(None, found.groups())).upper() if found else None
