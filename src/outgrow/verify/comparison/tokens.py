r"""An answer as tokens, whether it is written in LaTeX, in plain text or as Python writes formulas. Nothing is evaluated.

What changes nothing is dropped (\left, $, \displaystyle), synonyms become one form (see `symbols`), groups of three digits become
one number (8\,000, 8~000), and words are told from letters.
"""

import re
from enum import Enum, auto
from typing import NamedTuple

from .symbols import (
    BLANK_COMMANDS,
    BLANKS,
    CONSTANTS,
    FUNCTIONS,
    GREEK_NAMES,
    IGNORED_COMMANDS,
    SUPERSCRIPTS,
    TEXT_WRAPPERS,
    UPRIGHT_WRAPPERS,
    form,
)


class Kind(Enum):
    """What a token is."""

    NUMBER = auto()
    SYMBOL = auto()
    """A letter or a Greek letter, of either case."""
    CONSTANT = auto()
    """pi, e or i."""
    FUNCTION = auto()
    WORD = auto()
    """Several letters that name no function: a unit, a word, or in a formula the product of its letters."""
    SIGN = auto()
    """An operator, a bracket, or a command such as frac."""


class Style(Enum):
    """How letters are set."""

    PLAIN = auto()
    UPRIGHT = auto()
    TEXT = auto()


class Token(NamedTuple):
    """A piece of an answer."""

    kind: Kind
    text: str
    spaced: bool = False
    """Whether a blank stands before it."""
    style: Style = Style.PLAIN

    @property
    def sign(self) -> str:
        """The sign that it is; empty for numbers and names, so that the unit in is not the sign of membership."""
        return self.text if self.kind is Kind.SIGN else ""


_TOKEN = re.compile(
    r"""
      (?P<number> (?: \d+ (?:\.\d*)? | \.\d+ ) (?: [eE][+-]?\d{1,4}(?![\d.A-Za-z\\^(]) )? )
    | \\(?P<command> [A-Za-z]+\*? | . )
    | (?P<letters> [A-Za-z]+ )
    | (?P<sign> \*\* | <= | >= | != | == | . )
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_BRACE = re.compile(r"[{}]")
_MODULE = re.compile(r"\b(?:np|numpy|math|sympy)\.(?=[a-z])", re.ASCII)


def tokens_of(text: str, style: Style = Style.PLAIN) -> list[Token]:
    r"""Return the tokens of an answer, in order.

    >>> [token.text for token in tokens_of(r"\left(2\,000,\dfrac{\pi}{3}\right]")]
    ['(', '2000', ',', 'frac', '{', 'pi', '}', '{', '3', '}', ']']
    """
    text = _MODULE.sub("", text)
    tokens: list[Token] = []
    spaced, position = False, 0
    while match := _TOKEN.match(text, position):
        position = match.end()
        group = match.lastgroup or ""
        piece = match[group]
        if group == "command" and piece.rstrip("*") in TEXT_WRAPPERS | UPRIGHT_WRAPPERS:
            inner, position = _braced(text, position)
            inside = tokens_of(inner, _style_of(piece, style))
            if inside:
                tokens += [inside[0]._replace(spaced=spaced or inside[0].spaced), *inside[1:]]
            spaced = inner[-1:] in BLANKS if inner else spaced
        elif piece in BLANKS if group == "sign" else piece in BLANK_COMMANDS and group == "command":
            spaced = True
        elif not (group == "command" and piece in IGNORED_COMMANDS) and not (group == "sign" and piece in "$€£¥₹¢"):
            read = _read(group, piece, style)
            tokens += [read[0]._replace(spaced=spaced), *read[1:]]
            spaced = False
    return _joined_thousands(tokens)


def written(tokens: list[Token]) -> str:
    """Return tokens as a text that is the same for the same tokens: braces around one token and blanks do not count."""
    texts = [token.text for token in tokens]
    kept: list[str] = []
    for text in texts:
        kept.append(text)
        if text == "}" and len(kept) > 2 and kept[-3] == "{":
            kept[-3:] = [kept[-2]]
    return " ".join(kept)


def _braced(text: str, start: int) -> tuple[str, int]:
    """Return what stands in braces from `start` on, and the place behind them; nothing where none open there and close."""
    begin = start
    while begin < len(text) and text[begin] in " *":
        begin += 1
    if text[begin : begin + 1] != "{":
        return "", start
    depth = 0
    for brace in _BRACE.finditer(text, begin):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[begin + 1 : brace.start()], brace.end()
    return "", start


def _style_of(wrapper: str, around: Style) -> Style:
    if wrapper in TEXT_WRAPPERS:
        return Style.TEXT
    return around if wrapper == "boxed" else Style.UPRIGHT


def _read(group: str, piece: str, style: Style) -> list[Token]:
    if group == "number":
        return [Token(Kind.NUMBER, piece)]
    if group == "letters":
        return _letters(piece, style)
    if group == "sign" and piece in SUPERSCRIPTS:
        return [Token(Kind.SIGN, "^"), Token(Kind.NUMBER, SUPERSCRIPTS[piece])]
    if group == "command" and piece in "{}":
        return [Token(Kind.SIGN, "\\" + piece)]
    name = form(piece)
    if name in CONSTANTS:
        return [Token(Kind.CONSTANT, name)]
    if name in GREEK_NAMES or name in ("l", "hbar"):
        return [Token(Kind.SYMBOL, name)]
    if group == "command" and name in FUNCTIONS - {"sqrt"}:
        return [Token(Kind.FUNCTION, name)]
    return [Token(Kind.SIGN, name)]


def _letters(run: str, style: Style) -> list[Token]:
    if run == "sqrt":
        return [Token(Kind.SIGN, "sqrt")]
    if run in FUNCTIONS and not (style is Style.TEXT and run in ("max", "min", "sec", "log")):
        return [Token(Kind.FUNCTION, run)]
    if run.lower() in ("and", "or"):
        return [Token(Kind.SIGN, run.lower())]
    if form(run) == "infty":
        return [Token(Kind.SIGN, "infty")]
    if run in CONSTANTS:
        return [Token(Kind.CONSTANT, run, style=style)]
    if (len(run) == 1 and style is not Style.TEXT) or run in GREEK_NAMES:
        return [Token(Kind.SYMBOL, run, style=style)]
    return [Token(Kind.WORD, run, style=style)]


def _joined_thousands(tokens: list[Token]) -> list[Token]:
    """Join 8 000 where blanks of any kind stand between groups of three digits."""
    joined: list[Token] = []
    for token in tokens:
        last = joined[-1] if joined else None
        if (
            last is not None
            and token.kind is last.kind is Kind.NUMBER
            and token.spaced
            and re.fullmatch(r"\d{3}(\.\d+)?", token.text)
            and re.fullmatch(r"[1-9]\d{0,2}|[1-9]\d{0,2}(\d{3})+", last.text)
        ):
            joined[-1] = last._replace(text=last.text + token.text)
        else:
            joined.append(token)
    return joined
