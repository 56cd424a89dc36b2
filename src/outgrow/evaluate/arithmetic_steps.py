"""Calculations in a text, each checked: every `a op b = c` that stands by itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

_LONGEST = 200_000  # characters; a text beyond that is checked at its end
_SIGNS = str.maketrans({"×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "−": "-", "–": "-"})
_LATEX = re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])|\\div(?![a-zA-Z])|\\[,;:! $()\[\]]|\{,\}|\\left|\\right")
_NUMBER = r"(?:\d{1,3}(?:,\d{3}){1,8}|\d{1,30})(?:\.\d{1,30})?"
_TERM = rf"\$?{_NUMBER}"
_EQUATION = re.compile(rf"(?<![\d.:'])(-?{_TERM}(?:\s?[-+*/x]\s?{_TERM}){{1,12}})\s?=\s?(?=(-?{_TERM}))", re.ASCII)
_PIECE = re.compile(rf"{_NUMBER}|[-+*/x]", re.ASCII)
_GROUP = re.compile(r"\d{3}(?!\d)", re.ASCII)
_PART_OF = re.compile(r"\b(?:of|mod|log|ln|sqrt|sin|cos|tan|pages?)\s*$", re.I)
_GOES_ON = re.compile(
    r"\s*(?:x\s*\d|mod\b|hours?\b|minutes?\b|days?\b|weeks?\b|o'clock|pages?\b)", re.I
)  # in other units, it may be
_SLASHES = re.compile(r"/[^-+*x]*/")
# What stands before or behind a calculation that is only a part of a longer one.
_BEFORE, _BEHIND = set("+-*/^()[]{}_\\%|≈√0123456789"), set("+-*/^(%!:'°_\\")


@dataclass(frozen=True)
class Equation:
    """A calculation as it was written, and whether it holds."""

    text: str
    result: Fraction
    holds: bool


def equations(text: str) -> Iterator[Equation]:
    """Yield the calculations of a text, in order, as far as each can be judged by itself.

    With brackets, powers, percentages, units in between, or a mark behind the result, the meaning is not known: these are skipped.

    >>> [(equation.text, equation.holds) for equation in equations("so 3 * 4 = 12, then 12+5=18 and 10/3 = 3.33")]
    [('3 * 4 = 12', True), ('12+5=18', False), ('10/3 = 3.33', True)]
    >>> list(equations("x + 3*4 = 20, (1+2)*3 = 9, 5-8-0=7', 2*3=6*1"))
    []
    """
    text = _LATEX.sub(_plain, text[-_LONGEST:].translate(_SIGNS))
    for match in _EQUATION.finditer(text):
        if _joined_before(text[max(0, match.start(1) - 8) : match.start(1)], match[1]) or _joined_behind(
            text[match.end(2) : match.end(2) + 10]
        ):
            continue
        if _SLASHES.search(match[1]):  # 6 / 1/3 may mean either
            continue
        value, result = _value(match[1]), match[2].replace("$", "").replace(",", "")
        if value is not None:
            yield Equation(text[match.start(1) : match.end(2)], Fraction(result), _close(value, result))


def _plain(match: re.Match[str]) -> str:
    name = match[0]
    if name in ("\\times", "\\cdot", "\\ast"):
        return "*"
    return {"\\div": "/", "\\$": "$", "\\(": "\n", "\\)": "\n", "\\[": "\n", "\\]": "\n"}.get(name, "")


def _joined_before(before: str, expression: str) -> bool:
    """Return whether what stands before a calculation on its line belongs to it."""
    if _GROUP.match(expression) and before[-1:] == "," and before[-2:-1].isdigit():  # the end of a number, 12345,678
        return True
    if _PART_OF.search(before):
        return True
    last = before.rpartition("\n")[2].rstrip(" ")[-1:]
    return last in _BEFORE or (last.isalnum() and expression[0] == "-") or (before[-1:].isalpha() and expression[0] != "-")


def _joined_behind(behind: str) -> bool:
    """Return whether what comes behind a number belongs to it, or continues the calculation."""
    first = behind.lstrip(" ")[:1]
    if _GOES_ON.match(behind):
        return True
    if first in _BEHIND or behind[:1].isalnum():
        return True
    return behind[:1] in (".", " ") and behind[1:2].isdigit()  # 1 000 as one number


def _value(expression: str) -> Fraction | None:
    """Return the value, products before sums; None where something is divided by zero."""
    total, sign, product, divide = Fraction(0), 1, None, False
    for piece in _PIECE.findall(expression):
        if piece[0].isdigit():
            number = Fraction(piece.replace(",", ""))
            if divide and not number:
                return None
            product = number if product is None else product / number if divide else product * number
        elif piece in "+-":
            total, product, sign, divide = total + sign * (product or 0), None, 1 if piece == "+" else -1, False
        else:
            divide = piece == "/"
    return total + sign * (product or 0)


def _close(value: Fraction, result: str) -> bool:
    """Return whether a result is equal, or rounded up or down at its last digit."""
    digits = len(result.partition(".")[2])
    off = abs(value - Fraction(result))
    return off == 0 or (value.denominator != 1 and off < Fraction(1, 10**digits))
