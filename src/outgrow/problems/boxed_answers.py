"""Which boxes of a worked solution are its known answer: the last one, all of them, or any of them."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ..verify.extraction.boxes import Box, all_boxes
from .cell import Unusable

_FIGURE = re.compile(r"\[asy\].*?(?:\[/asy\]|\Z)", re.DOTALL)  # a drawing's program, which may draw boxes
# Questions that want every solution: "Find all values of x", "Enter the angles, separated by commas".
_WANTS_ALL = re.compile(
    r"\b(?:find|list|enter|give|determine|what are|state)\s+(?:\w+\s+)?all\b|separated by (?:a )?(?:comma|semicolon)",
    re.IGNORECASE,
)
_WANTS_ONE = re.compile(r"\bonly one\b|\beither (?:one )?of\b|\bnot both\b", re.IGNORECASE)
# Between two boxes, or behind the second: it is as good an answer.
_OR = re.compile(r"\b(?:or|also)\b", re.IGNORECASE)
_ALSO_ACCEPTED = re.compile(
    r"[^.]{0,40}\balso\b[^.]{0,20}\baccept(?:ed|able)\b|[^.]{0,40}\beither\b[^.]{0,40}\bcorrect", re.IGNORECASE
)
_NEAR = 80  # characters


class _Written(NamedTuple):
    """A box of a solution: text[start:end]."""

    start: int
    end: int
    content: str
    """What it holds, without blanks around it."""


def boxed_answers(solution: str, question: str = "") -> tuple[str, ...]:
    r"""Return the answer that a solution boxes, then those that it accepts as well.

    The last box is the answer. Where the question asks for all solutions, the answer is every box, joined by commas. A box before
    the last that "or" or "also" joins to it is accepted as well, as is one of two that the question leaves to choose from.
    Raises Unusable where the last box is empty or there is none.

    >>> boxed_answers(r"$x = \boxed{-2}$ and $\boxed{1}$.", "Find all solutions.")
    ('-2, 1',)
    >>> boxed_answers(r"$\boxed{28}$ or $\boxed{28_9}$"), boxed_answers(r"$a = \boxed{3}$, so $a^2 = \boxed{9}$")
    (('28_9', '28'), ('9',))
    """
    solution = _FIGURE.sub("", solution)
    found = _outer_boxes(solution)
    if not found:
        raise Unusable("a box that does not close")
    if not found[-1].content:
        raise Unusable("an empty box")
    *earlier, last = _different(found)
    if not earlier:
        return (last,)
    if _WANTS_ONE.search(question):
        return (last, *earlier)
    if _WANTS_ALL.search(question):
        listed = [part.strip() for part in last.split(",")]
        return (last,) if all(content in listed for content in earlier) else (", ".join((*earlier, last)),)
    return (last, *dict.fromkeys(content for content in _accepted(solution, found) if content in earlier))


def _outer_boxes(text: str) -> list[_Written]:
    """Return the boxes that stand in no other box; none where the last one does not close."""
    found = all_boxes(text)
    outer: list[_Written] = []
    for index, box in enumerate(found):
        if box.close < 0:
            outer.clear()
        elif not outer or box.start >= outer[-1].end:
            outer.append(_Written(box.start, box.end, _content(text, box, found[index + 1 :])))
    return outer


def _content(text: str, box: Box, following: Sequence[Box]) -> str:
    """Return what a box holds; where that is only another box, what that one holds. following: the boxes that open after it."""
    content = text[box.inner : box.close].strip()
    inside = following[0] if following and following[0].start < box.close else None
    if inside is None or inside.close < 0 or text[inside.start : inside.end] != content:
        return content
    return _content(text, inside, following[1:])


def _different(found: list[_Written]) -> list[str]:
    """Return the contents of boxes that are not the same without blanks; the last box is the last."""
    contents = {"".join(box.content.split()): box.content for box in found if box.content}
    last = "".join(found[-1].content.split())
    return [content for key, content in contents.items() if key != last] + [contents[last]]


def _accepted(solution: str, found: list[_Written]) -> list[str]:
    """Return what stands in boxes that the text calls as good as the next."""
    accepted: list[str] = []
    for box, following in pairwise(found):
        between = solution[box.end : following.start]
        joined = len(between) <= _NEAR and _OR.search(between)
        if joined or _ALSO_ACCEPTED.match(solution, following.end):
            accepted.append(box.content)
    return accepted
