r"""Other ways to write a number: whole, decimal, fraction, with its unit."""

import random
import re
from collections.abc import Iterator
from fractions import Fraction

_WHOLE = re.compile(r"-?\d+")
_DECIMAL = re.compile(r"-?\d*\.\d+")
_FRACTION = re.compile(r"(-?)\\[dt]?frac\s*(?:\{(\d+)\}|(\d))\s*(?:\{(\d+)\}|(\d))|(-?)(\d+)/(\d+)")
_SCIENTIFIC = re.compile(r"(-?\d+(?:\.\d+)?)e(-?\d+)")
_WITH_UNIT = re.compile(r"(-?[\d.]+|-?\\frac\{\d+\}\{\d+\})\s*\\(?:text|mbox)\{\s*([a-z ]+)\}")
_DEGREES = re.compile(r"(-?[\d.]+)\s*\^\s*(?:\\circ|\{\\circ\})")
_PERCENT = re.compile(r"(-?[\d.]+)\s*\\?%")
_MONEY = re.compile(r"\\?\$\s*(\d+(?:\.\d+)?)")
_GAPS = {"','": ",", "'{,}'": "{,}", "',\\!'": r",\!", "thin space": r"\,", "'\\;'": r"\;", "'~'": "~", "a blank": " "}
_UNITS = (
    r" \text{ cm}",
    " dollars",
    r"\ \mathrm{m/s^2}",
    r"\,\mathrm{cm^3}",
    r" \mathrm{~km} / \mathrm{h}",
    r" \text{ m}/\text{s}",
)


def fraction_of(known: str) -> Fraction | None:
    r"""Return the number that a plain whole number, decimal or fraction of digits writes.

    >>> fraction_of("-12"), fraction_of(r"\frac34"), fraction_of("2.5"), fraction_of("x")
    (Fraction(-12, 1), Fraction(3, 4), Fraction(5, 2), None)
    """
    if _WHOLE.fullmatch(known) or _DECIMAL.fullmatch(known):
        return Fraction(known)
    if match := _FRACTION.fullmatch(known):
        sign, top, top1, bottom, bottom1, sign2, over, under = match.groups()
        below = int(bottom or bottom1 or under)
        return None if below == 0 else Fraction(int(top or top1 or over), below) * (-1 if sign or sign2 else 1)
    return None


def thousands(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Part a whole number from 1000 on into groups of three, by one of seven separators."""
    if _WHOLE.fullmatch(known) and abs(int(known)) >= 1000:
        name, gap = rng.choice(list(_GAPS.items()))
        yield f"thousands by {name}", f"{int(known):,}".replace(",", gap)


def trailing_zero(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write 5 as 5.0 or 5.00."""
    if _WHOLE.fullmatch(known):
        yield ".0", known + rng.choice([".0", ".00"])


def decimal_of_fraction(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write a fraction as a decimal: one that ends, one that repeats, one of full length; and a decimal as a fraction."""
    value = fraction_of(known)
    if value is None or value.denominator == 1:
        return
    if _DECIMAL.fullmatch(known):
        yield "fraction of a decimal", f"{'-' * (value < 0)}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
        return
    head, period = expanded(abs(value))
    sign = "-" * (value < 0)
    if not period and len(head) <= 8:
        yield "decimal of a fraction", sign + head
    if period and len(period) <= 6:
        yield "repeating decimal", f"{sign}{head}\\overline{{{period}}}"
    if period and abs(value) > Fraction(1, 1000):
        yield "decimal of full length", repr(float(value))


def expanded(value: Fraction) -> tuple[str, str]:
    """Return the decimal digits of a positive fraction by long division: those before the period, and the period.

    >>> expanded(Fraction(5, 6)), expanded(Fraction(1, 8))
    (('0.8', '3'), ('0.125', ''))
    """
    whole, rest = divmod(value.numerator, value.denominator)
    digits, seen = "", {}
    while rest and rest not in seen:
        seen[rest] = len(digits)
        digit, rest = divmod(rest * 10, value.denominator)
        digits += str(digit)
    start = seen[rest] if rest else len(digits)
    return f"{whole}.{digits[:start]}" if digits else str(whole), digits[start:]


def fraction_forms(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write a fraction of digits with another command, as a/b, unreduced, mixed, with its sign elsewhere."""
    value = fraction_of(known)
    if value is None or value.denominator == 1 or not _FRACTION.fullmatch(known):
        return
    sign, top, bottom = "-" * (value < 0), abs(value.numerator), value.denominator
    for command in ("dfrac", "tfrac"):
        yield f"\\{command}", f"{sign}\\{command}{{{top}}}{{{bottom}}}"
    yield "a/b", f"{sign}{top}/{bottom}"
    if top < 10 and bottom < 10:
        yield "\\frac12", rng.choice([f"{sign}\\frac{top}{bottom}", f"{sign}\\frac {top}{bottom}"])
    if value < 0:
        yield "sign in the numerator", f"\\frac{{-{top}}}{{{bottom}}}"
        yield "sign in the denominator", f"\\frac{{{top}}}{{-{bottom}}}"
    if top > bottom:
        yield "mixed number", f"{sign}{top // bottom}\\frac{{{top % bottom}}}{{{bottom}}}"
    yield "chain of equalities", f"x = {sign}\\frac{{{2 * top}}}{{{2 * bottom}}} = {sign}\\frac{{{top}}}{{{bottom}}}"
    if abs(value) > 1:
        yield "answer ≈ decimal", f"{sign}\\frac{{{top}}}{{{bottom}}} \\approx {float(value):.2f}"


def scientific(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Write 12000 and 4.5e33 as 1.2 \times 10^{4} and 4.5 \times 10^{33}."""
    sign = rng.choice([r"\times", r"\cdot"])
    if match := _SCIENTIFIC.fullmatch(known):
        yield "scientific notation", f"{match[1]} {sign} 10^{{{match[2]}}}"
    elif _WHOLE.fullmatch(known) and known.endswith("00") and int(known):
        digits = known.lstrip("-").rstrip("0")
        mantissa = digits[0] + ("." + digits[1:] if digits[1:] else "")
        yield "scientific notation", f"{'-' * (known[0] == '-')}{mantissa} {sign} 10^{{{len(known.lstrip('-')) - 1}}}"


def ordinal(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write 18 as 18th."""
    if known.isdigit():
        number = int(known)
        ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        yield "ordinal", rng.choice([f"{known}^{{\\text{{{ending}}}}}", known + ending])


def unit(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write a unit behind a bare number, or a currency before it; or leave out the one that is there."""
    if fraction_of(known) is not None and known[0] != "-":
        yield "unit behind", known + rng.choice(_UNITS)
    if known.isdigit():
        yield "currency before", rng.choice([r"\$", "$"]) + known
    if match := _WITH_UNIT.fullmatch(known):
        yield "unit left out", match[1]
        yield "unit in plain words", f"{match[1]} {match[2].strip()}"
    if match := _DEGREES.fullmatch(known):
        yield "degrees", rng.choice([match[1], match[1] + "°", match[1] + r"^{\circ}", match[1] + r" \text{ degrees}"])
    if match := _PERCENT.fullmatch(known):
        yield "percent", rng.choice([match[1] + "%", match[1] + r" \%", match[1] + r"\text{ percent}"])
    if match := _MONEY.fullmatch(known):
        yield "currency left out", match[1]


def approximately(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Write \approx before a number."""
    if fraction_of(known) is not None:
        yield "\\approx before", f"\\approx {known}"


def minus(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write a minus as an en dash or as the minus sign."""
    if known.startswith("-") and "text" not in known:
        yield "minus as – or −", known.replace("-", rng.choice("–−"))
