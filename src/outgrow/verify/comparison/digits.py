r"""A number in digits, also one whose digits repeat: 0.\overline{27}, 0.1\dot{6}."""

from fractions import Fraction

from .cursor import Cursor
from .formula import Number, Unreadable, decimal
from .tokens import Kind, Token

_LONGEST_PERIOD = 60


def read_number(cursor: Cursor, token: Token) -> Number:
    """Return the number of a token and of the repeating digits that follow it.

    Raises Unreadable where a base follows, as in 101_2, which is read elsewhere, or another number after a point.
    """
    number = decimal(token.text)
    if token.text.endswith(".") and cursor.here is not None and cursor.here.kind is Kind.NUMBER:
        raise Unreadable
    if "." in token.text and "e" not in token.text.lower() and cursor.take("overline", "dot", "bar"):
        period = _period(cursor)
        places = len(token.text.partition(".")[2])
        return Number(number.value + Fraction(int(period), (10 ** len(period) - 1) * 10**places))
    if cursor.is_at("_"):
        raise Unreadable
    return number


def _period(cursor: Cursor) -> str:
    cursor.take("{")
    digits = cursor.next()
    cursor.take("}")
    if digits.kind is not Kind.NUMBER or not digits.text.isdigit() or len(digits.text) > _LONGEST_PERIOD:
        raise Unreadable
    return digits.text
