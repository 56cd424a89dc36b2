r"""The boxes of a worked solution, `\boxed{...}` or `\boxed 5`, and which of them are its answer."""

import re
from itertools import pairwise
from typing import NamedTuple

from .cell import Unusable

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BRACE = re.compile(r"(?<!\\)[{}]")
_TOKEN = re.compile(r"\\[A-Za-z]+|-?\d+(?:\.\d+)?|[A-Za-z]")
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


class Box(NamedTuple):
    """A box in a text."""

    start: int
    end: int
    """Behind its closing brace."""
    content: str


def boxes(text: str) -> list[Box]:
    r"""Return the boxes of a text in order, the outer one of nested boxes, without those whose braces do not close.

    >>> [box.content for box in boxes(r"\boxed{\frac{1}{2}}, \fbox{\boxed{3}} or \boxed 5")]
    ['\\frac{1}{2}', '3', '5']
    """
    found: list[Box] = []
    for opened in _BOX.finditer(text):
        if found and opened.start() < found[-1].end:
            continue
        if text[opened.end() : opened.end() + 1] == "{":
            end = _closing(text, opened.end())
            if end is not None:
                found.append(Box(opened.start(), end, _unwrapped(text[opened.end() + 1 : end - 1])))
        elif token := _TOKEN.match(text, opened.end()):
            found.append(Box(opened.start(), token.end(), token[0]))
    return found


def _unwrapped(content: str) -> str:
    """Return what a box holds, without a box that is all of it."""
    inside = boxes(content) if _BOX.match(content.lstrip()) else []
    whole = len(inside) == 1 and len(content.strip()) == inside[0].end - inside[0].start
    return inside[0].content if whole else content


def _closing(text: str, start: int) -> int | None:
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return None


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
    found = boxes(solution)
    if not found or not found[-1].content.strip():
        raise Unusable("an empty box" if found else "a box that does not close")
    *earlier, last = _different(found)
    if not earlier:
        return (last,)
    if _WANTS_ONE.search(question):
        return (last, *earlier)
    if _WANTS_ALL.search(question):
        listed = [part.strip() for part in last.split(",")]
        return (last,) if all(content in listed for content in earlier) else (", ".join((*earlier, last)),)
    return (last, *dict.fromkeys(content for content in _accepted(solution, found) if content in earlier))


def _different(found: list[Box]) -> list[str]:
    """Return the contents of boxes that are not the same without blanks; the last box is the last."""
    contents = {"".join(box.content.split()): box.content.strip() for box in found if box.content.strip()}
    last = "".join(found[-1].content.split())
    return [content for key, content in contents.items() if key != last] + [contents[last]]


def _accepted(solution: str, found: list[Box]) -> list[str]:
    """Return what stands in boxes that the text calls as good as the next."""
    accepted: list[str] = []
    for box, following in pairwise(found):
        between = solution[box.end : following.start]
        joined = len(between) <= _NEAR and _OR.search(between)
        if joined or _ALSO_ACCEPTED.match(solution, following.end):
            accepted.append(box.content.strip())
    return accepted
