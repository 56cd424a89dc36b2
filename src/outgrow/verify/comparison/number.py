r"""Is an answer written as a number, and which? Exact (`fractions.Fraction`); nothing is worked out: 3+4 is no number.

What a person reads as one number is read: 1,000   8\,000   -7   7.0   .5   1/2   \frac{1}{-2}   6 \frac34   3 \times 10^5
0.\overline{3}.

- A **currency sign** before it, a **unit** or ordinal behind it are passed over (see `units`), neither compared nor converted: the
  question says which is asked for, so 50 cents is 50, and not $0.50.
- A **scale word** multiplies: $5 million is 5000000.
- A **percent** on one side only counts as the number of percent, and as its hundredth where the other side is a fraction or at
  most 1, since data sets write percentages both ways: 50% is right where 50, 0.5 or 1/2 is the answer, 700% is not where 7 is.
- A **name** is passed over, unless both sides have one and they differ: x=7 is 7, but not y=7.
- Nothing is rounded: 0.33 is not 1/3. A decimal of at least 12 significant digits stands for the number that it is rounded or cut
  from, so 0.333333333333 is.
"""

import re
from fractions import Fraction
from typing import NamedTuple

from .equal import same_value
from .evaluate import TooHard, Undefined, evaluate
from .expression import read_expression
from .formula import Apply, Node, Unreadable
from .formula import Number as Literal
from .structure import Value, read_answer
from .tokens import Token, tokens_of
from .units import split_unit

_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])", re.ASCII)
_LARGEST_POWER = 999


class Number(NamedTuple):
    """A number as it was written."""

    value: Fraction
    percent: bool = False
    """Whether it was written in percent; 50% has the value 50."""
    name: str = ""
    """The x of x=7; empty without a name."""
    written: Literal | Apply | None = None
    """The formula, for decimals of full length."""


def read_number(folded: str) -> Number | None:
    r"""Return the number that a folded answer writes; None where it writes no number, or several.

    >>> read_number("-1,204").value, read_number("9**9"), read_number("1,2")
    (Fraction(-1204, 1), None, None)
    >>> read_number("50%")[:2], read_number(r"x=6\frac34")[:3]
    ((Fraction(50, 1), True), (Fraction(27, 4), False, 'x'))
    """
    if _WHOLE.fullmatch(folded):
        return Number(Fraction(int(folded)))
    answer = read_answer(tokens_of(join_thousands(folded)))
    if isinstance(answer, Value) and len(answer.links) == 1:
        number = number_of(answer.links[0][1], plain_units=True)
        return number and number._replace(name=answer.name)
    return None


def join_thousands(text: str) -> str:
    """Return the text without the commas of 1,000 where it has one such number and no other comma.

    >>> join_thousands("$1,234.50"), join_thousands("(1,200)"), join_thousands("1,200,5")
    ('$1234.50', '(1,200)', '1,200,5')
    """
    if "," not in text or "(" in text or "[" in text or "\\{" in text:
        return text
    joined = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text)
    return text if "," in joined else joined


def number_of(tokens: list[Token], plain_units: bool = False) -> Number | None:
    """Return the number that tokens without a name write; None where they write anything else.

    plain_units: whether 25 m^2 and 18 m/s are numbers with a unit, as in an answer where a number is known.
    """
    rest, unit = split_unit(tokens, plain_units)
    try:
        node = read_expression(rest)
        if not is_literal(node):
            return None
        value = evaluate(node, {}, 15)
    except (Unreadable, TooHard, Undefined):
        return None
    assert isinstance(value, Fraction)
    return Number(value * unit.scale, unit.percent, "", node if unit.scale == 1 and not hasattr(node, "name") else None)


def is_literal(node: Node) -> bool:
    """Whether a formula only writes a number, with one sign at most: 7, -7.0, 1/2, 3 1/2, 3*10^5."""
    match node:
        case Apply("neg", (inner,)):
            return _is_magnitude(inner)
        case _:
            return _is_magnitude(node)


def _is_magnitude(node: Node) -> bool:
    match node:
        case Literal():
            return True
        case Apply("mixed", (Literal(), _)):
            return True
        case Apply("/", (top, bottom)):
            return _is_signed(top) and _is_signed(bottom)
        case Apply("*", (Literal(), Apply("^", _) as power)):
            return _is_power_of_ten(power)
        case Apply("^", _):
            return _is_power_of_ten(node)
    return False


def _is_signed(node: Node) -> bool:
    match node:
        case Apply("neg", (Literal(),)) | Literal():
            return True
    return False


def _is_power_of_ten(node: Node) -> bool:
    match node:
        case Apply("^", (Literal(base), Literal(exponent) | Apply("neg", (Literal(exponent),)))):
            return base == 10 and exponent.denominator == 1 and exponent <= _LARGEST_POWER
    return False


def same_number(known: Number, answer: Number) -> bool:
    """Return whether both say the same (see above for percents, names and decimals of full length)."""
    if known.name and answer.name and known.name != answer.name:
        return False
    if known.value == answer.value:
        return True
    if known.percent == answer.percent:
        return known.written is not None and answer.written is not None and same_value(known.written, answer.written)
    percent, share = (known.value, answer.value) if known.percent else (answer.value, known.value)
    return percent == 100 * share and (share.denominator > 1 or abs(share) <= 1)
