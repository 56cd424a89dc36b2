r"""How is a known answer put together: one expression, a list, a tuple, a set, an interval? Only what can be told from the text."""

import re
from dataclasses import dataclass
from itertools import pairwise

from .value import value

_THREE_DIGITS = re.compile(r"\d{3}(?!\d)")
_SEPARATOR = re.compile(
    r"\s*,?\s*\\(?:text|mbox)\s*\{\s*,?\s*(?:and|or)\s*\}\s*|\s*,?\s+(?:and|or)\s+|\s*\$?(?<!\\),\$?(?:\s|~|\\[,;:! ])*"
)
_NAMED = re.compile(r"\s*[A-Za-z](?:\([a-z]\))?\s*=\s*")
_PREFIX = re.compile(r"\s*(?:\\?\$|[£€]|\\approx(?![A-Za-z]))\s*")
_SUFFIX = re.compile(
    r"""(?:\s*\\?% | \s*\^\s*(?:\\circ|\{\s*\\circ\s*\}) | \s*\\(?:text|textnormal|mbox|mathrm)\s*\{[^{}\\\d]*\}(?:\^\{?[23]\}?)?
         | (?<=\d)\s+[A-Za-z]{3,}(?:\s[A-Za-z]{2,}){0,3} )\.?$""",
    re.VERBOSE,
)
_WORDS = re.compile(r"\b(?:and|or|not|to)\b|\b[ap]\.?m\b", re.IGNORECASE)
_MATRIX = re.compile(r"\s*\\begin\{[pbv]matrix\}(.*)\\end\{[pbv]matrix\}\s*", re.DOTALL)
_ENTRY = re.compile(r"\s*(?:&|\\\\)\s*")
_SHELL = re.compile(r"\s*\\text\s*\{([^{}]*)\}\s*")
_OPENING = re.compile(r"\s*(?:\\left\s*)?(\(|\[|\\\{)\s*")
_CLOSING = re.compile(r"\s*(?:\\right\s*)?(\)|\]|\\\})\s*$")
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class Parts:
    """Several items that together are one answer."""

    opening: str
    r"""(, [, \{ or, for a list without brackets, nothing."""
    closing: str
    items: tuple[tuple[int, int], ...]
    """Where each item stands in the text: start and end."""
    shell: tuple[int, int]
    """Where opening, items and closing stand in the text; a list inside \text{…} is not the whole of it."""

    def texts(self, known: str) -> list[str]:
        """Return the items as they are written."""
        return [known[start:end] for start, end in self.items]

    def rebuilt(self, known: str, items: list[str], opening: str | None = None, closing: str | None = None) -> str:
        """Return the answer with other items or other brackets."""
        opening = self.opening if opening is None else opening
        closing = self.closing if closing is None else closing
        start, end = self.shell
        return known[:start] + opening + ", ".join(items) + closing + known[end:]


def parts(known: str) -> Parts | None:
    r"""Return the items of a list, tuple, set or interval; None where the answer is not surely one of them.

    >>> parts(r"\left( 1, 2 \right)").texts(r"\left( 1, 2 \right)"), parts("1,000"), parts("3").__class__.__name__
    (['1', '2'], None, 'NoneType')
    """
    start, end = 0, len(known)
    if shell := _SHELL.fullmatch(known):
        start, end = shell.span(1)
    text = known[start:end]
    opening = closing = ""
    inner = (start, end)
    if bracket := _enclosed(text):
        opening, closing, (left, right) = bracket
        inner = (start + left, start + right)
    items = _items(known, *inner)
    if len(items) < 2 or any(first == last for first, last in items):
        return None
    if not opening and any(_thousands(known, end, start) for (_, end), (start, _) in pairwise(items)):
        return None
    return Parts(opening, closing, tuple(items), (start, end))


def places(known: str) -> list[tuple[int, int]]:
    r"""Return where single expressions stand whose value decides about the whole answer: (start, end) each.

    Names before "=", currency, units and brackets are not part of them; repeated items of a list are passed over.

    >>> text = r"x = 5\text{ cm}"; [text[start:end] for start, end in places(text)]
    ['5']
    >>> text = r"\left(1, \frac{\pi}{2}\right]"; [text[start:end] for start, end in places(text)]
    ['1', '\\frac{\\pi}{2}']
    """
    return _places(known, 0, len(known))


def _places(known: str, start: int, end: int) -> list[tuple[int, int]]:
    start, end = _trimmed(known, start, end)
    text = known[start:end]
    if value(text) is not None:
        return [(start, end)]
    for before in (_NAMED, _PREFIX):
        if (match := before.match(text)) and match.end() < len(text) and "=" not in text[match.end() :]:
            return _places(known, start + match.end(), end)
    if (unit := _SUFFIX.search(text)) and unit.start() and not _WORDS.search(unit[0]):
        return _places(known, start, start + unit.start())
    if matrix := _MATRIX.fullmatch(text):
        return _entries(known, start + matrix.start(1), start + matrix.end(1))
    several = parts(text)
    if several is None:
        return []
    texts = [" ".join(item.split()) for item in several.texts(text)]
    if several.opening in ("", r"\{") and len({value(item) or item for item in texts}) < len(texts):
        return []
    return [place for first, last in several.items for place in _places(known, start + first, start + last)]


def _entries(known: str, start: int, end: int) -> list[tuple[int, int]]:
    cuts = [start, *(at for gap in _ENTRY.finditer(known, start, end) for at in gap.span()), end]
    entries = [_trimmed(known, first, last) for first, last in zip(cuts[::2], cuts[1::2], strict=True)]
    return [(first, last) for first, last in entries if value(known[first:last]) is not None]


def _enclosed(text: str) -> tuple[str, str, tuple[int, int]] | None:
    """Return (opening, closing, span of what is inside) where one pair of brackets encloses the whole text."""
    opening, closing = _OPENING.match(text), _CLOSING.search(text)
    if not opening or not closing or opening.end() > closing.start():
        return None
    if (opening[1] == r"\{") != (closing[1] == r"\}"):
        return None
    depth = 0
    for at in range(opening.end(), closing.start()):
        depth += (text[at] in _OPEN) - (text[at] in _CLOSE)
        if depth < 0:
            return None
    return (opening[1], closing[1], (opening.end(), closing.start())) if depth == 0 else None


def _thousands(known: str, end: int, start: int) -> bool:
    """Whether what ends here and what starts there may be two groups of digits of one number: 1,000 but not 81, 256."""
    apart = known[end:start]
    digits = known[:end][-1:].isdigit() and _THREE_DIGITS.match(known, start) is not None
    return digits and (r"\!" in apart or " " not in apart)


def _items(known: str, start: int, end: int) -> list[tuple[int, int]]:
    cuts = [start]
    for gap in _SEPARATOR.finditer(known, start, end):
        before = known[start : gap.start()]
        if sum(before.count(sign) for sign in _OPEN) == sum(before.count(sign) for sign in _CLOSE):
            cuts += gap.span()
    cuts.append(end)
    return [_trimmed(known, first, last) for first, last in zip(cuts[::2], cuts[1::2], strict=True)]


def _trimmed(known: str, start: int, end: int) -> tuple[int, int]:
    text = known[start:end]
    return start + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip()) if text.strip() else start
