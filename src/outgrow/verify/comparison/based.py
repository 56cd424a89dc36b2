r"""Numbers that say their base: 1011_2, 2516_{8}, (1A)_{16}, 1011_{\text{two}}."""

import re

_BASED = re.compile(r"\(?(-?[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)?)\)?(?: ?_ ?\(?(?:base )?| ?\(?base )([0-9]{1,2}|[a-z]+)\)?", re.ASCII)
_BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11}
_BASES |= {"twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16}


def read_based(plain: str) -> tuple[str, int] | None:
    """Return the digits and the base of a number that says its base; None where the text is none.

    plain: without commands and braces.

    >>> read_based("1011_2"), read_based("52 (base 7)"), read_based("52_two"), read_based("x_2"), read_based("19_8")
    (('1011', 2), ('52', 7), None, None, None)
    """
    found = _BASED.fullmatch(plain)
    if found is None or len(found[1]) > 200:
        return None
    base = int(found[2]) if found[2].isdigit() else _BASES.get(found[2], 0)
    digits = found[1].upper()
    if not 2 <= base <= 36 or not any(digit.isdigit() for digit in digits):
        return None
    places = digits.lstrip("-").replace(".", "")
    return (digits, base) if all(int(digit, 36) < base for digit in places) else None
