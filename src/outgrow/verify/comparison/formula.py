"""Formulas as trees: numbers, symbols, and operations on them."""

from dataclasses import dataclass, field
from fractions import Fraction

DEEPEST = 60
"""Levels of a tree, and of brackets, that are read."""


class Unreadable(Exception):
    """The tokens are no formula of this grammar."""


@dataclass(frozen=True)
class Number:
    """A number as it is written: 12, 0.5, 4.5e33, 0.\\overline{3}."""

    value: Fraction
    digits: int = 0
    """Significant digits of a decimal; 0 where it is exact, as a whole number and a repeating decimal are."""
    unit: Fraction = Fraction(0)
    """What one unit in the last place of a decimal is worth."""


@dataclass(frozen=True)
class Symbol:
    """A letter, or a constant: pi, e, i."""

    name: str


@dataclass(frozen=True)
class Apply:
    """An operation on trees: + * / ^ neg ! mixed deg % root log abs floor ceil binom and the functions' names.

    Raises Unreadable where the tree gets higher than `DEEPEST`, so that no walk through it can exhaust the stack.
    """

    operation: str
    arguments: tuple["Node", ...]
    height: int = field(default=0, compare=False, repr=False)

    def __post_init__(self) -> None:
        height = 1 + max((one.height for one in self.arguments if isinstance(one, Apply)), default=0)
        if height > DEEPEST:
            raise Unreadable
        object.__setattr__(self, "height", height)


Node = Number | Symbol | Apply


def decimal(text: str) -> Number:
    """Return a number of digits, with a point and an exponent or without.

    >>> decimal("0.50").value, decimal("0.50").digits, decimal("4.5e3").unit
    (Fraction(1, 2), 2, Fraction(100, 1))
    """
    mantissa, _, exponent = text.lower().partition("e")
    whole, point, places = mantissa.partition(".")
    shift = Fraction(10) ** int(exponent or 0)
    value = Fraction(int((whole + places) or "0"), 10 ** len(places)) * shift
    if not point and not exponent:
        return Number(value)
    return Number(value, len((whole + places).lstrip("0")), shift / 10 ** len(places))


def times(product: Node, factor: Node) -> Node:
    """Return a product with one more factor. A product of many is one level, and x \\cdot 10^5 of a number stays as it is."""
    if isinstance(product, Apply) and product.operation == "*":
        return Apply("*", (*product.arguments, factor))
    return Apply("*", (product, factor))


def is_proper(node: Node) -> bool:
    """Whether it is a fraction of two whole numbers, less than one."""
    match node:
        case Apply("/", (Number(top, 0), Number(bottom, 0))):
            return bottom > 0 and top.denominator == bottom.denominator == 1 and 0 < top < bottom
    return False
