"""Are two written integers the same number? No evaluation, and no work on absurdly long digit strings."""

import re

_INTEGER = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+|[+-]?\d+", re.ASCII)
_MOST_DIGITS = 100


def parse_integer(text: str) -> int | None:
    """The integer that `text` writes, thousands commas and outer blanks allowed; None where it writes none.

    >>> parse_integer(" -1,204 "), parse_integer("007"), parse_integer("9**9"), parse_integer("1,2")
    (-1204, 7, None, None)
    """
    text = text.strip()
    if len(text) > _MOST_DIGITS or not _INTEGER.fullmatch(text):
        return None
    return int(text.replace(",", ""))
