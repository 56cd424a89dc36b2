r"""Other ways to write one expression. Where a rewriting changes more than looks, both values are compared (`agree`)."""

import random
import re
from collections.abc import Iterator
from fractions import Fraction

from outgrow.verify.mutants.value import agree, value

_NAMED = re.compile(r"\s*([A-Za-z])\s*=\s*([^=]*)")
_ROOT_OVER = re.compile(r"(-?)\\frac\{(\d*)\s*\\sqrt\{(\d+)\}\}\{(\d+)\}")
_ROOT = re.compile(r"(-?)(\d+)\s*\\sqrt\{?(\d+)\}?")
_PI = re.compile(r"(-?)(?:\\frac\{(\d*)\s*\\pi\}\{(\d+)\}|(\d*)\s*\\pi)")
_OVER_NUMBER = re.compile(r"(-?)\\[dt]?frac\{([^{}]+(?:\{[^{}]*\}[^{}]*)*)\}\{(\d+)\}")
_COMPLEX = re.compile(r"(-?)\\[dt]?frac\{(\d+)\}\{(\d+)\}\s*([+-])\s*\\[dt]?frac\{(\d+)\}\{(\d+)\}\s*i")
_COMPLEX_OVER = re.compile(r"\\[dt]?frac\{(-?\d+)\s*([+-])\s*(\d+)\s*i\}\{(\d+)\}")
_FACTORS = re.compile(r"(?<=[\d}])\s*(?=\\sqrt|\\pi|[a-z](?![a-z]))")
_PRODUCT = re.compile(r"\d+(?:\^(?:\{\d+\}|\d))?(?:\s*\\cdot\s*\d+(?:\^(?:\{\d+\}|\d))?)*")
_I = re.compile(r"(?<![A-Za-z\\])i(?![A-Za-z])")
_PM = re.compile(r"\\pm")
_ANGLES = (1, 2, 3, 4, 5, 6, 8, 9, 10, 12)


def unknown(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Name the unknown before the expression, or leave out the name."""
    if named := _NAMED.fullmatch(known):
        yield "name left out", named[2]
    elif value(known) is not None:
        free = [letter for letter in "xyzn" if letter not in known]
        if free:
            yield "x = before", f"{rng.choice(free)} = {known}"


def terms_reordered(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Put the terms of a sum into another order."""
    terms = signed_terms(known)
    if len(terms) < 2:
        return
    shuffled = rng.sample(terms, len(terms))
    if shuffled == terms:
        shuffled.reverse()
    written = " ".join(f"{sign} {term}" for sign, term in shuffled).removeprefix("+ ")
    if agree(known, written):
        yield "terms reordered", re.sub(r"^- ", "-", written)


def signed_terms(text: str) -> list[tuple[str, str]]:
    r"""Return the terms of a sum with their signs.

    >>> signed_terms(r"-x^2 + \frac{1+y}{2} - 3")
    [('-', 'x^2'), ('+', '\\frac{1+y}{2}'), ('-', '3')]
    """
    terms, depth, start, sign = [], 0, 0, "+"
    for at, char in enumerate(text):
        depth += (char in "({[") - (char in ")}]")
        if depth == 0 and char in "+-" and (at == 0 or text[at - 1] not in "^_"):
            if text[start:at].strip():
                terms.append((sign, text[start:at].strip()))
            start, sign = at + 1, char
    return [*terms, (sign, text[start:].strip())]


def roots(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Draw a factor into a root, move a root into the denominator, take the root of a fraction."""
    if match := _ROOT.fullmatch(known):
        yield "factor drawn into the root", f"{match[1]}\\sqrt{{{int(match[2]) ** 2 * int(match[3])}}}"
    if match := _ROOT_OVER.fullmatch(known):
        factor, inside, below = int(match[2] or 1), int(match[3]), int(match[4])
        square = Fraction(factor**2 * inside, below**2)
        yield "root of a fraction", f"{match[1]}\\sqrt{{\\frac{{{square.numerator}}}{{{square.denominator}}}}}"
        yield "root in the denominator", f"{match[1]}\\frac{{{factor * inside}}}{{{below}\\sqrt{{{inside}}}}}"


def degrees(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write an angle of up to one turn that is a multiple of π in degrees; a bare 9π is an area as likely: not this."""
    if (match := _PI.fullmatch(known)) and match[3] and int(match[3]) in _ANGLES:
        angle = Fraction(int(match[2] or 1), int(match[3])) * 180
        if angle <= 360 and angle.denominator == 1:
            yield "degrees for radians", f"{match[1]}{angle}^\\circ"


def fraction_as_factor(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Write \frac{a}{n} as \frac{1}{n} a or (a)/n."""
    if (match := _OVER_NUMBER.fullmatch(known)) and not match[2].isdigit():
        sign, top, bottom = match.groups()
        for kind, written in (
            ("fraction as a factor", f"{sign}\\frac{{1}}{{{bottom}}}\\left({top}\\right)"),
            ("(a)/n", f"{sign}({top})/{bottom}"),
        ):
            if agree(known, written):
                yield kind, written


def complex_number(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Put the two fractions of a complex number over one denominator, or split them; write i upright."""
    if (match := _COMPLEX.fullmatch(known)) and match[3] == match[6]:
        yield "complex over one denominator", f"\\frac{{{match[1]}{match[2]}{match[4]}{match[5]}i}}{{{match[3]}}}"
    if match := _COMPLEX_OVER.fullmatch(known):
        real = Fraction(int(match[1]), int(match[4]))
        imaginary = Fraction(int(match[3]), int(match[4]))
        first, second = (f"\\frac{{{part.numerator}}}{{{part.denominator}}}" for part in (real, imaginary))
        yield "complex number split", f"{first} {match[2]} {second}i"
    if _I.search(known) and value(known) is not None:
        yield "upright i", _I.sub(r"\\mathrm{i}", known)


def product_signs(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Write \cdot or * between factors."""
    sign = rng.choice([r" \cdot ", "*"])
    written = _FACTORS.sub(lambda _: sign, known)
    if written != known and agree(known, written):
        yield "\\cdot or *", written


def worked_out(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """Write the number that a known product of powers comes to."""
    if _PRODUCT.fullmatch(known) and not known.isdigit():
        product = 1
        for factor in known.split(r"\cdot"):
            root, _, power = factor.strip().partition("^")
            exponent = int(power.strip("{}") or 1)
            if exponent > 60:
                return
            product *= int(root) ** exponent
        yield "product worked out", str(product)


def plus_minus(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Write \pm out."""
    if len(_PM.findall(known)) == 1 and "," not in known and "=" not in known:
        both = [_PM.sub("+", known), _PM.sub("-", known)]
        if all(value(text) is not None for text in both):
            yield "\\pm written out", ", ".join(text.lstrip("+ ") for text in both)


def spelled(known: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    r"""Exchange commands that print alike: \dfrac and \frac, \le and \leq, \emptyset and \varnothing, pmatrix and bmatrix."""
    pairs = ((r"\frac", r"\dfrac"), (r"\dfrac", r"\frac"), (r"\tfrac", r"\frac"), (r"\leq", r"\le"), (r"\geq", r"\ge"))
    if "text" not in known:
        for old, new in pairs:
            pattern = re.compile(re.escape(old) + r"(?![A-Za-z])")
            if pattern.search(known) and not known.startswith(r"\frac{"):
                yield "command that prints alike", pattern.sub(lambda _, new=new: new, known)
                break
    if known.strip() == r"\emptyset":
        yield "empty set", rng.choice([r"\varnothing", r"\{\}"])
    if "{pmatrix}" in known:
        yield "bmatrix for pmatrix", known.replace("{pmatrix}", "{bmatrix}")
