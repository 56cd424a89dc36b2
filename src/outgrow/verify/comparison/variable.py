r"""Names of variables and points in a formula: x, x', v_{0}, \vec{v}, \angle ABC, and values such as I(0)."""

from .cursor import Cursor
from .formula import Symbol
from .tokens import Kind, written


def read_name(cursor: Cursor, name: str) -> Symbol:
    """Return the variable whose name begins so, with the subscripts, primes and number in parentheses that follow."""
    while cursor.is_at("_", "'"):
        name += "'" if cursor.take("'") else _subscript(cursor)
    return Symbol(name + _whole_argument(cursor))


def read_shape(cursor: Cursor, shape: str) -> Symbol:
    """Return the angle or triangle that the letters which follow name."""
    while cursor.here is not None and cursor.here.kind in (Kind.SYMBOL, Kind.WORD):
        shape += " " + read_name(cursor, cursor.next().text).name
    return Symbol(shape)


def read_group(cursor: Cursor) -> str:
    """Return a token, or a group in braces, as the text that names a variable. Raises Unreadable where neither follows."""
    if not cursor.take("{"):
        return cursor.next().text
    tokens, depth = [], 1
    while depth:
        tokens.append(cursor.next())
        depth += {"{": 1, "}": -1}.get(tokens[-1].sign, 0)
    return written(tokens[:-1]).replace(" ", "")


def _subscript(cursor: Cursor) -> str:
    cursor.need("_")
    return "_" + read_group(cursor)


def _whole_argument(cursor: Cursor) -> str:
    """Return the number in parentheses behind a letter, as a part of its name: I(0) is a function's value, not I times 0."""
    length = 4 if [token.sign for token in cursor.ahead(2)] == ["(", "-"] else 3
    ahead = cursor.ahead(length)
    if len(ahead) < length or ahead[0].sign != "(" or ahead[-1].sign != ")" or ahead[-2].kind is not Kind.NUMBER:
        return ""
    cursor.skip(length)
    return "".join(token.text for token in ahead)
