r"""Mutants of one expression. Each maker yields candidates; `mutants` keeps the first whose value surely differs."""

import random
import re
from collections.abc import Iterator
from decimal import Decimal

from .value import integer, value

_DIGIT = re.compile(r"\d")
_DECIMAL = re.compile(r"\d+\.\d*|\.\d+")
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)")
_FRACTION = re.compile(r"(\\[dt]?frac)\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))|(?<![\d.])(\d+)/(\d+)(?![\d.])")
_NAME = re.compile(r"(?<![A-Za-z\\])(?<!(?<!_)\d\s)[A-Za-z](?![A-Za-z])")
_FIXED = frozenset("eiEIC")  # constants, and the constant of integration, whose name is free
_DIGITS_OF_A_BASE = re.compile(r"\s*-?[\dA-Z]+_\{?\d+\}?\s*")
_I = re.compile(r"(?<![A-Za-z\\])i(?![A-Za-z])|\\(?:mathrm|text)\{\s*i\s*\}")
_PI = re.compile(r"\\pi(?![A-Za-z])")
_ROOT = re.compile(r"\\sqrt\s*(?:\{([^{}]*)\}|(\d))")
_TINY = 1e-6
_LEADING_DIGITS = 4


def digit(text: str, rng: random.Random) -> Iterator[str]:
    """Change a digit; of a decimal only of the first four that count, since the later ones may be noise."""
    places = [match.start() for match in _DIGIT.finditer(text)]
    for decimal in _DECIMAL.finditer(text):
        figures = [at for at in range(*decimal.span()) if text[at].isdigit()]
        leading = next((n for n, at in enumerate(figures) if text[at] != "0"), 0)
        places = [at for at in places if at not in figures[leading + _LEADING_DIGITS :]]
    for at in rng.sample(places, len(places)):
        first = (at == 0 or text[at - 1] not in "0123456789.,}!") and text[at + 1 : at + 2].isdigit()
        yield text[:at] + rng.choice([new for new in "123456789" + "0" * (not first) if new != text[at]]) + text[at + 1 :]


def sign(text: str, rng: random.Random) -> Iterator[str]:
    """Flip the sign of the expression or of a term at its top."""
    stripped = text.lstrip()
    flipped = [stripped[1:].lstrip() if stripped.startswith("-") else "-" + stripped.removeprefix("+")]
    depth = 0
    for at, char in enumerate(text):
        depth += (char in "({[") - (char in ")}]")
        if depth == 0 and char in "+-" and text[:at].strip():
            flipped.append(text[:at] + ("-" if char == "+" else "+") + text[at + 1 :])
    if len(flipped) > 1 and not stripped.startswith("-"):
        flipped = flipped[1:]  # -a+b negates the first term only, which is a flip as well, but -a reads oddly
    yield from rng.sample(flipped, len(flipped))


def factor_ten(text: str, rng: random.Random) -> Iterator[str]:
    """Multiply a number by ten, or divide it."""
    whole = integer(text)
    if whole is not None:
        yield f"{whole * 10}"
    elif _PLAIN.fullmatch(text):
        yield f"{Decimal(text).scaleb(rng.choice([1, -1])):f}"
    elif fraction := _FRACTION.match(text):
        top = next(group for group in fraction.group(2, 3, 6) if group is not None)
        bottom = next(group for group in fraction.group(4, 5, 7) if group is not None)
        if top.isdigit():
            yield f"\\frac{{{top}0}}{{{bottom}}}{text[fraction.end() :]}"


def off_by_one(text: str, rng: random.Random) -> Iterator[str]:
    """Add or subtract one."""
    step = rng.choice([1, -1])
    whole = integer(text)
    yield str(whole + step) if whole is not None else f"{text} {'+' if step > 0 else '-'} 1"


def tiny_halved(text: str, rng: random.Random) -> Iterator[str]:
    """Halve a value below 10^-6: to a comparison that rounds to six places both are zero."""
    known = value(text)
    if known is None or not 0 < abs(known) < _TINY or _names(text):
        return
    mantissa = re.match(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", text)
    if mantissa:
        halved = f"{Decimal(mantissa[0]) / 2:f}{text[mantissa.end() :]}"
        half = value(halved)
        if half is not None and abs(half / known - 0.5) < 1e-9:
            yield halved
            return
    yield f"\\frac{{{text}}}{{2}}"


def inverted(text: str, rng: random.Random) -> Iterator[str]:
    """Swap a numerator and its denominator."""
    fractions = list(_FRACTION.finditer(text))
    for fraction in rng.sample(fractions, len(fractions)):
        command, top, top1, bottom, bottom1, over, under = fraction.groups()
        swapped = f"{under}/{over}" if over else f"{command}{{{bottom or bottom1}}}{{{top or top1}}}"
        yield text[: fraction.start()] + swapped + text[fraction.end() :]


def letter_case(text: str, rng: random.Random) -> Iterator[str]:
    """Change a name's case everywhere; not a single capital (a choice?), nor a letter behind a number and a blank (a unit?)."""
    if re.fullmatch(r"\s*[A-Z]\s*", text) or _DIGITS_OF_A_BASE.fullmatch(text):
        return
    letters = _names(text)
    for letter in rng.sample(letters, len(letters)):
        yield _NAME.sub(lambda name, letter=letter: name[0].swapcase() if name[0] == letter else name[0], text)  # type: ignore[misc]


def names_swapped(text: str, rng: random.Random) -> Iterator[str]:
    """Swap two names everywhere."""
    letters = _names(text)
    pairs = [(one, other) for one in letters for other in letters if one < other]
    for one, other in rng.sample(pairs, len(pairs)):
        swapped = {one: other, other: one}
        yield _NAME.sub(lambda name, swapped=swapped: swapped.get(name[0], name[0]), text)  # type: ignore[misc]


def i_dropped(text: str, rng: random.Random) -> Iterator[str]:
    """Leave out the imaginary unit."""
    if _I.search(text):
        yield _I.sub("", text).strip()
        yield _I.sub("1", text)


def pi_dropped(text: str, rng: random.Random) -> Iterator[str]:
    """Leave out π."""
    if _PI.search(text):
        yield _PI.sub("", text).strip()
        yield _PI.sub("1", text)


def root_dropped(text: str, rng: random.Random) -> Iterator[str]:
    """Leave out a square root's sign."""
    roots = list(_ROOT.finditer(text))
    for root in rng.sample(roots, len(roots)):
        inside = root[1] or root[2]
        whole = root.span() == (0, len(text))
        yield inside if whole else f"{text[: root.start()]}({inside}){text[root.end() :]}"


def _names(text: str) -> list[str]:
    return sorted({name[0] for name in _NAME.finditer(text)} - _FIXED)
