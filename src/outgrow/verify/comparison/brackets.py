"""Tokens inside and outside brackets."""

from collections.abc import Callable, Sequence

from .tokens import Token

OPEN, CLOSE = {"(", "[", "{", r"\{", "lfloor", "lceil", "begin"}, {")", "]", "}", r"\}", "rfloor", "rceil", "end"}


def closing(tokens: Sequence[Token]) -> int:
    """Return where the bracket that the tokens begin with is closed; -1 where it is not."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.sign in OPEN) - (token.sign in CLOSE)
        if depth == 0:
            return index + (3 if token.sign == "end" and index + 3 < len(tokens) else 0)
    return -1


def split(tokens: list[Token], at: Callable[[Token], bool]) -> list[list[Token]]:
    """Return the parts between the tokens outside brackets at which `at` splits."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.sign in OPEN) - (token.sign in CLOSE)
        if depth == 0 and token.text not in CLOSE and at(token):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def top(tokens: list[Token]) -> list[Token]:
    """Return the tokens outside brackets."""
    depth = 0
    outside = []
    for token in tokens:
        depth += (token.sign in OPEN) - (token.sign in CLOSE)
        if depth == 0 and token.text not in CLOSE:
            outside.append(token)
    return outside
