r"""Boxed answers: what `\boxed{...}` and `\fbox{...}` hold, with and without braces, and boxes that belong together."""

import re
from typing import NamedTuple

from .tail import start_of_last

# A box and the brace behind it; a line break, whose second backslash escapes nothing; an escaped brace, which opens and closes
# nothing; a brace.
_TOKEN = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s{0,20}(\{)?|\\\\(?!boxed|fbox)|\\[{}]|[{}]")
_LONGEST_BLANK = 200
_SOLID = re.compile(r"\S")
_BLANK = re.compile(r"(?:[\s{}$~.]|\\[,;:! ]|\\(?:q?quad|text|[lcd]?dots|boxed|fbox)(?![A-Za-z])|\\[hv]?phantom\{[^{}]{0,40}\})*")
_LONGEST_BARE = 200
# Where a box without braces ends: at a line's or a formula's end, at punctuation, at a word, at the next box.
_BARE_END = re.compile(
    r"[{}]|\n|(?<!\\)\$|\\[)\]\\]|&|[.,;:!?](?=\s|\Z)|(?<![A-Za-z\\])[A-Za-z]{2}|\\(?:boxed|fbox)(?![A-Za-z])|(?<!\\)\\[{}]"
)
_LONGEST_GAP = 60
# What stands between boxes that are one answer: delimiters, spacing, "and", "or", and the name of the next value.
_GAP = re.compile(
    r"""(?:
        [ \t~$] | \\[()\[\],;:!\ ] | \\q?quad(?![A-Za-z]) | \\\\
      | [,;&] | \n(?![ \t]*\n) | (?<![A-Za-z])(?:and|or)(?![A-Za-z])
      | \\(?:text|textrm|mbox|mathrm)\ ?\{[ ,]{0,3}(?:and|or)[ ,]{0,3}\}
      | (?<![A-Za-z])[A-Za-z](?:_\{?\w\}?|')?(?:\([A-Za-z]\))?\ ?=
    )*""",
    re.VERBOSE,
)
_SEPARATOR = re.compile(r"(?<!\\)[,;&]|\n|and|or")


class Box(NamedTuple):
    """Where a box stands in a text. Its content is text[inner:close]."""

    start: int
    inner: int
    close: int
    """-1 where its brace never closes."""
    end: int


def boxed(text: str) -> str | None:
    r"""Return the contents of the last `\boxed{...}`, `\fbox{...}` or `\boxed 5` that is not empty.

    None where there is no such box, or where the braces of the last box do not close.

    >>> boxed(r"so \boxed{1}, no: \boxed{\frac{1}{2}}"), boxed(r"so \boxed 5. Put it in \boxed{}.")
    ('\\frac{1}{2}', '5')
    >>> boxed(r"\boxed{1") is None
    True
    """
    for box in reversed(all_boxes(text)):
        if box.close < 0:
            return None
        if not is_blank(text, box.inner, box.close):
            return text[box.inner : box.close]
    return None


def first_boxed(text: str) -> str | None:
    r"""Return the contents of the first `\boxed{...}` up to the next brace, as the starting experiment read it.

    >>> first_boxed(r"\boxed{1}, no: \boxed{2}"), boxed(r"\boxed{1}, no: \boxed{2}")
    ('1', '2')
    """
    _, opened, rest = text.partition("\\boxed{")
    answer, closed, _ = rest.partition("}")
    return answer if opened and closed else None


def last_boxes(text: str) -> list[str]:
    r"""Return the contents of the last boxes that belong together, in their order; [] where `boxed` finds nothing.

    Boxes belong together where only a separator (a comma, "and", "or", a line break), delimiters of formulas and the name of a
    value stand between them, in up to 60 characters.

    >>> last_boxes(r"From \boxed{4} we get $x = \boxed{2}$ or $x = \boxed{-2}$.")
    ['2', '-2']
    """
    boxes = all_boxes(text)
    while boxes and boxes[-1].close >= 0 and is_blank(text, boxes[-1].inner, boxes[-1].close):
        boxes.pop()
    if not boxes or boxes[-1].close < 0:
        return []
    run = [boxes.pop()]
    while boxes and _belongs(text, boxes[-1], run[-1]):
        run.append(boxes.pop())
    return [text[box.inner : box.close] for box in reversed(run)]


def _belongs(text: str, box: Box, following: Box) -> bool:
    """Return whether a box is one answer with the next one."""
    if box.close < 0 or is_blank(text, box.inner, box.close) or not 0 <= following.start - box.end <= _LONGEST_GAP:
        return False
    gap = _GAP.fullmatch(text, box.end, following.start)
    return gap is not None and _SEPARATOR.search(gap[0]) is not None


def all_boxes(text: str) -> list[Box]:
    """Return every box by where they open (see `tail`).

    One pass: a stack holds the open braces, with the box that each belongs to or -1.
    """
    boxes: list[Box] = []
    open_braces: list[int] = []
    for token in _TOKEN.finditer(text, max(start_of_last(text, "box") - len("\\f"), 0)):
        if token[1]:
            open_braces.append(len(boxes))
            boxes.append(Box(token.start(), token.end(), -1, -1))
        elif token[0] == "{":
            open_braces.append(-1)
        elif token[0] == "}":
            if open_braces and (index := open_braces.pop()) >= 0:
                boxes[index] = boxes[index]._replace(close=token.start(), end=token.end())
        elif len(token[0]) > 2:
            close = _bare_end(text, token.end())
            boxes.append(Box(token.start(), token.end(), close, close))
    return boxes


def _bare_end(text: str, start: int) -> int:
    """Return where the content of a box without braces ends; `start` where it has none."""
    depth, limit = 0, start + _LONGEST_BARE
    for stop in _BARE_END.finditer(text, start, limit):
        if stop[0] == "{":
            depth += 1
        elif stop[0] == "}" and depth:
            depth -= 1
        elif depth == 0 and stop[0] not in ("\\{", "\\}"):
            limit = stop.start()
            break
    end = min(limit, len(text))
    return start if depth or end == start + _LONGEST_BARE else start + len(text[start:end].rstrip())


def is_blank(text: str, start: int = 0, end: int | None = None) -> bool:
    r"""Return whether text[start:end] holds nothing but blanks, dots, delimiters of formulas and empty boxes.

    >>> is_blank(r"$\boxed{\ }$"), is_blank("0")
    (True, False)
    """
    end = len(text) if end is None else end
    if _SOLID.search(text, start, end) is None:
        return True
    return end - start <= _LONGEST_BLANK and _BLANK.fullmatch(text, start, end) is not None
