r"""What may stand before an equals sign and only name the answer: x, f(x), AB, \angle ABC, (x, y), \cos A, f^{-1}(x)."""

from .brackets import closing, split
from .symbols import CIRCULAR, DECORATIONS, SHAPES
from .tokens import Kind, Style, Token

_LONGEST_NAME = 12
"""Tokens of what stands before an equals sign and names the answer: f(x), AB, \\angle ABC, (x, y, z)."""


def name_of(tokens: list[Token]) -> str:
    r"""Return the name that stands alone before an equals sign: x, v_0, f(x), AB, \angle ABC, (x, y); "" for anything else.

    >>> from .tokens import tokens_of
    >>> [name_of(tokens_of(text)) for text in ("x", "f(x)", "2x", "0", "a+b", "(x,y)", "v_{0}")]
    ['x', 'f(x)', '', '', '', '(x,y)', 'v_0']
    """
    if not tokens or len(tokens) > _LONGEST_NAME:
        return ""
    text = "".join(token.text for token in tokens if token.text not in ("{", "}"))
    if tokens[0].kind is Kind.FUNCTION and tokens[0].text in CIRCULAR:
        return text if name_of(tokens[1:]) else ""
    if tokens[0].sign in SHAPES:
        tokens = tokens[1:]
    if all(token.kind is Kind.WORD and token.style is Style.TEXT for token in tokens):
        return text
    if tokens and tokens[0].sign == "(" and tokens[-1].sign == ")" and closing(tokens) == len(tokens) - 1:
        return text if all(name_of(part) for part in split(tokens[1:-1], lambda token: token.sign == ",")) else ""
    if tokens and tokens[0].sign == "|" and tokens[-1].sign == "|":
        return text if name_of(tokens[1:-1]) else ""
    return text if _is_name(list(tokens)) else ""


def _is_name(tokens: list[Token]) -> bool:
    """Whether it is a letter, capitals (a segment), a word, or a decorated letter, with subscript, primes and arguments."""
    index = 0
    if tokens and tokens[0].sign in DECORATIONS:
        index = 1
    elif len(tokens) > 1 and all(token.kind is Kind.SYMBOL and token.text.isupper() for token in tokens):
        return len(tokens) <= 4
    if index < len(tokens) and tokens[index].sign == "{":
        end = closing(tokens[index:]) + index
        if not name_of(tokens[index + 1 : end]):
            return False
        index = end + 1
    elif index < len(tokens) and _names_itself(tokens[index]):
        index += 1
    else:
        return False
    while index < len(tokens):
        if tokens[index].sign == "'":
            index += 1
        elif tokens[index].sign == "_" and index + 1 < len(tokens):
            index = closing(tokens[index + 1 :]) + index + 2 if tokens[index + 1].text == "{" else index + 2
        elif [token.text for token in tokens[index : index + 5]] == ["^", "{", "-", "1", "}"]:
            index += 5  # of a matrix or a function; 1/x is no name
            if not tokens[0].text.isupper() and index == len(tokens):
                return False
        else:
            return tokens[index].sign == "(" and closing(tokens[index:]) + index == len(tokens) - 1
    return True


def _names_itself(token: Token) -> bool:
    """Whether a token is a name: a letter, a word, capitals. xy is a product."""
    if token.kind is Kind.WORD:
        return token.style is not Style.PLAIN or token.text.isupper() or len(token.text) > 3
    return token.kind is Kind.SYMBOL or token.text == "e"
