r"""The numbers of a question that a name can stand for, and names that its questions have no use for.

A name stands for a whole number of up to six digits that is a number of its own. It is no part of a decimal, a fraction, a mixed
number (2 1/2, 3\frac{1}{4}), a longer number in any writing (1,000, 1 000, 1{,}000, 10,\!000), a time, a date, a range, a
percentage or a word; no exponent and no index, which may be those of a unit; no code such as 007; and not in a drawing.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

_NAMES = "KMNPQRSTUVWXYZ"
_BLANK = "[ ~\u00a0\u2009\u202f]"  # between the groups of 1 000
_VULGAR = "\u00bc-\u00be\u2150-\u215e\u2189"  # ½ and the like
_NUMBER = re.compile(
    r"(?<![\w.,/:%^–-])(?<!\d['’])(?<![\^_]\{)(?<!frac\{)(?<!\}\{)(?<!\{,\})(?<!\\[,;:!])"
    rf"(?!0\d)(?!(?<=\d{_BLANK})\d{{3}}(?!\d))"
    r"\d{1,6}"
    r"(?![\w/:%ºª–-]|\\%|[.,]\d|['’]\d|\.\\(?:over|bar|dot)|\{,\}|,?\\[,;:!]\s?\d)"
    rf"(?!{_BLANK}\d{{3}}(?!\d))(?!\s+\d+\s?/\s?\d)(?!\s?[{_VULGAR}])(?!(?:\s|~|\\[,;:! ])*\\[tdc]?frac)",
    re.ASCII,
)
_DRAWING = re.compile(r"\[asy\].*?(?:\[/asy\]|\Z)", re.DOTALL)


def numbers_of(question: str) -> list[re.Match[str]]:
    """Return the numbers that a name can stand for: those that the question says once, or else all of them.

    Where a number is said twice, the other place would tell what the name means.

    >>> [match[0] for match in numbers_of("On the 3rd day, 4 of 1,000 cups hold 2.5 or 2 1/2 dl, 7 hold 9 and 7 hold 5%.")]
    ['4', '9']
    """
    drawings = [match.span() for match in _DRAWING.finditer(question)]
    found = [match for match in _NUMBER.finditer(question) if not any(start <= match.start() < end for start, end in drawings)]
    times = Counter(match[0] for match in found)
    return [match for match in found if times[match[0]] == 1] or found


def free_names(questions: Sequence[str]) -> Iterator[str]:
    """Yield different names that none of the questions has a use for, not even as the end of a line KL.

    >>> names = free_names(["Kim takes K steps", "How long is the line MN?"])
    >>> next(names), next(names)
    ('P', 'Q')
    """
    text = "\n".join(questions)
    taken = set("".join(re.findall(r"(?<![A-Za-z])[A-Z]+(?![a-z])", text)))
    yield from (name for name in _NAMES if name not in taken)
    yield from (name for number in range(2, 100) for name in (f"{letter}{number}" for letter in _NAMES) if name not in text)
