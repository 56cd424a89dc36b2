r"""What an answer is made of: a list, a set, a tuple or interval, a union, a matrix, an equation, an inequality, or one value.

x \le 3 becomes the interval (-\infty, 3], a \pm b the list a+b, a-b, and x = 1/3 \approx 0.33 one value with its name and links.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .symbols import DECORATIONS, SHAPES
from .tokens import Kind, Style, Token, tokens_of

Tokens = list[Token]

_OPEN, _CLOSE = {"(", "[", "{", r"\{", "lfloor", "lceil", "begin"}, {")", "]", "}", r"\}", "rfloor", "rceil", "end"}
_EQUAL = {"=", "~="}
_ORDER = {"<", "<=", ">", ">="}
_MATRICES = {"pmatrix", "bmatrix", "matrix", "Bmatrix", "smallmatrix", "array"}
_DEEPEST = 20
_LONGEST_NAME = 12
"""Tokens of what stands before an equals sign and names the answer: f(x), AB, \\angle ABC, (x, y, z)."""


@dataclass(frozen=True)
class Value:
    """One value, perhaps with a name and with the steps that lead to it."""

    links: tuple[tuple[str, Tokens], ...]
    """What stands between = and ≈, each with the sign before it. One link is the rule."""
    name: str = ""
    """The x of x = 7."""


@dataclass(frozen=True)
class Many:
    """Several answers in any order."""

    parts: tuple["Answer", ...]
    is_set: bool = False
    """Whether they stand in braces."""


@dataclass(frozen=True)
class Row:
    """A tuple, or an interval: ordered, with its brackets."""

    opening: str
    closing: str
    parts: tuple["Answer", ...]
    name: str = ""


@dataclass(frozen=True)
class Union:
    """A union of sets and intervals, in any order."""

    parts: tuple["Answer", ...]
    name: str = ""


@dataclass(frozen=True)
class Matrix:
    """Rows of values."""

    rows: tuple[tuple["Answer", ...], ...]


@dataclass(frozen=True)
class Equation:
    """An equation that does not name a value: 2x + 3y = 6."""

    left: Tokens
    right: Tokens


@dataclass(frozen=True)
class Ordered:
    """An inequality between formulas: f(2) < f(1) < f(4). Smaller sides come first."""

    signs: tuple[str, ...]
    terms: tuple[Tokens, ...]


Answer = Value | Many | Row | Union | Matrix | Equation | Ordered


def read_answer(tokens: Tokens, depth: int = 0) -> Answer:
    r"""Return what the tokens of an answer say.

    >>> read_answer(tokens_of(r"x \le 3")) == read_answer(tokens_of(r"x \in (-\infty, 3]"))
    True
    """
    tokens = _trimmed(tokens)
    if depth > _DEEPEST:
        return Value((("", tokens),))
    parts = _split(tokens, lambda token: token.sign in (",", ";", "and", "or"))
    if len(parts) > 1:
        if not parts[0]:
            return Value((("", tokens),))  # ,100 is no list
        return _several(tokens, [read_answer(part, depth + 1) for part in parts if part])
    pieces = _split(tokens, lambda token: token.kind is Kind.SIGN and token.sign == "cup")
    relations = [token for token in _top(tokens) if token.sign in _EQUAL | _ORDER | {"in", "!="}]
    if relations:
        return _related(tokens, depth)
    if len(pieces) > 1 and all(pieces):
        return Union(tuple(read_answer(piece, depth + 1) for piece in pieces))
    return _bracketed(tokens, depth) or _plus_minus(tokens, depth) or Value((("", tokens),))


def _several(tokens: Tokens, parts: list[Answer]) -> Answer:
    """Return a list; where its parts are intervals that "or" joins, their union, and those that "and" joins, what both say."""
    if all(isinstance(part, Row) and part.name for part in parts) and any(token.sign == "or" for token in _top(tokens)):
        rows = [part for part in parts if isinstance(part, Row)]
        if len({row.name for row in rows}) == 1:
            return Union(tuple(Row(row.opening, row.closing, row.parts) for row in rows), rows[0].name)
    return Many(tuple(parts))


def _bracketed(tokens: Tokens, depth: int) -> Answer | None:
    r"""Return what stands in brackets that enclose all: \{1, 2\}, (1, 2), [0, 1), a matrix; None where no brackets do."""
    if (len(tokens) == 1 and tokens[0].sign == "emptyset") or [token.text for token in tokens] == [r"\{", r"\}"]:
        return Many((), is_set=True)
    if len(tokens) < 3 or tokens[0].sign not in _OPEN or _closing(tokens) != len(tokens) - 1:
        return None
    opening, closing, inside = tokens[0].text, tokens[-1].text, tokens[1:-1]
    if opening == "{" and closing == "}":
        return read_answer(inside, depth + 1)
    if opening == r"\{":
        content = read_answer(inside, depth + 1)
        return Many(content.parts if isinstance(content, Many) else (content,), is_set=True)
    if opening == "begin":
        return _matrix(tokens, depth)
    if opening not in ("(", "[") or closing not in (")", "]"):
        return None
    parts = _split(inside, lambda token: token.sign in (",", ";"))
    if len(parts) == 1 and opening == "(" and closing == ")":
        return read_answer(inside, depth + 1)
    return Row(opening, closing, tuple(read_answer(part, depth + 1) for part in parts))


def _matrix(tokens: Tokens, depth: int) -> Answer | None:
    closing = next((index for index, token in enumerate(tokens) if token.sign == "}"), 0)
    if "".join(token.text for token in tokens[2:closing]) not in _MATRICES:
        return None
    end = max(index for index, token in enumerate(tokens) if token.sign == "end")
    inside = tokens[closing + 1 : end]
    rows = [row for row in _split(inside, lambda token: token.sign == "\\") if row]
    cells = [[read_answer(cell, depth + 1) for cell in _split(row, lambda token: token.sign == "&")] for row in rows]
    return Matrix(tuple(map(tuple, cells)))


def _plus_minus(tokens: Tokens, depth: int) -> Answer | None:
    signs = [token.text for token in tokens if token.sign in ("pm", "mp")]
    if not signs:
        return None

    def chosen(upper: bool) -> Tokens:
        forms = {"pm": "+" if upper else "-", "mp": "-" if upper else "+"}
        return [token._replace(text=forms.get(token.text, token.text)) for token in tokens]

    return Many((read_answer(chosen(True), depth + 1), read_answer(chosen(False), depth + 1)))


def _related(tokens: Tokens, depth: int) -> Answer:
    """Return what an equation, a chain of them, an inequality or a membership says."""
    if tokens[0].sign in _EQUAL:
        return read_answer(tokens[1:], depth + 1)
    terms = _split(tokens, lambda token: token.sign in _EQUAL | _ORDER | {"in", "!="})
    signs = [token.text for token in _top(tokens) if token.sign in _EQUAL | _ORDER | {"in", "!="}]
    if not all(terms):
        return Value((("", tokens),))
    if set(signs) <= _EQUAL:
        return _equal(terms, signs, depth)
    if signs == ["in"] and (name := name_of(terms[0])):
        return _named(read_answer(terms[1], depth + 1), name)
    if set(signs) <= _ORDER:
        return _interval(terms, signs, depth) or _ordered(terms, signs)
    if signs == ["!="] and (name := name_of(terms[0])):
        value = read_answer(terms[1], depth + 1)
        return Union((Row("(", ")", (_infinity("-"), value)), Row("(", ")", (value, _infinity("")))), name)
    return Value((("", tokens),))


def _named(answer: Answer, name: str) -> Answer:
    if isinstance(answer, Value):
        return Value(answer.links, answer.name or name)
    if isinstance(answer, Row):
        return Row(answer.opening, answer.closing, answer.parts, name)
    if isinstance(answer, Union):
        return Union(answer.parts, name)
    if isinstance(answer, Many):
        return Many(tuple(_named(part, name) for part in answer.parts), answer.is_set)
    return answer


def _equal(terms: list[Tokens], signs: list[str], depth: int) -> Answer:
    name = name_of(terms[0])
    if not name and len(terms) == 2 and len(terms[1]) == 1 and name_of(terms[1]) and signs == ["="]:
        name, terms = name_of(terms[1]), [terms[1], terms[0]]  # 5 = x
    if name:
        terms, signs = terms[1:], ["", *signs[1:]]
    else:
        signs = ["", *signs]
    if len(terms) == 1:
        answer = read_answer(terms[0], depth + 1)
        if isinstance(answer, Value) and name:
            return Value(answer.links, name)
        return _named(answer, name) if name else answer
    if not name and len(terms) == 2 and signs[1] == "=":
        return Equation(terms[0], terms[1])
    return Value(tuple(zip(signs, terms, strict=True)), name)


def _interval(terms: list[Tokens], signs: list[str], depth: int) -> Row | None:
    r"""Return the interval that x < 3 or 2 \le x < 3 is."""
    if len(terms) == 2 and name_of(terms[1]) and not name_of(terms[0]):
        terms, signs = [terms[1], terms[0]], [_turned(signs[0])]
    if len(terms) == 2 and (name := name_of(terms[0])):
        bound = read_answer(terms[1], depth + 1)
        if signs[0] in ("<", "<="):
            return Row("(", ")" if signs[0] == "<" else "]", (_infinity("-"), bound), name)
        return Row("(" if signs[0] == ">" else "[", ")", (bound, _infinity("")), name)
    if len(terms) == 3 and (name := name_of(terms[1])):
        if all(sign in (">", ">=") for sign in signs):
            terms, signs = terms[::-1], [_turned(sign) for sign in signs[::-1]]
        if all(sign in ("<", "<=") for sign in signs):
            low, high = read_answer(terms[0], depth + 1), read_answer(terms[2], depth + 1)
            return Row("(" if signs[0] == "<" else "[", ")" if signs[1] == "<" else "]", (low, high), name)
    return None


def _ordered(terms: list[Tokens], signs: list[str]) -> Answer:
    if all(sign in (">", ">=") for sign in signs):
        terms, signs = terms[::-1], [_turned(sign) for sign in signs[::-1]]
    return Ordered(tuple(signs), tuple(terms))


def _turned(sign: str) -> str:
    return {"<": ">", "<=": ">=", ">": "<", ">=": "<="}[sign]


def _infinity(sign: str) -> Value:
    return Value((("", tokens_of(sign + r"\infty")),))


def name_of(tokens: Tokens) -> str:
    r"""Return the name that stands alone before an equals sign: x, v_0, f(x), AB, \angle ABC, (x, y); "" for anything else.

    >>> [name_of(tokens_of(text)) for text in ("x", "f(x)", "2x", "0", "a+b", "(x,y)", "v_{0}")]
    ['x', 'f(x)', '', '', '', '(x,y)', 'v_0']
    """
    if not tokens or len(tokens) > _LONGEST_NAME:
        return ""
    text = "".join(token.text for token in tokens if token.text not in ("{", "}"))
    if tokens[0].sign in SHAPES:
        tokens = tokens[1:]
    if all(token.kind is Kind.WORD and token.style is Style.TEXT for token in tokens):
        return text
    if tokens and tokens[0].sign == "(" and tokens[-1].sign == ")" and _closing(tokens) == len(tokens) - 1:
        return text if all(name_of(part) for part in _split(tokens[1:-1], lambda token: token.sign == ",")) else ""
    if tokens and tokens[0].sign == "|" and tokens[-1].sign == "|":
        return text if name_of(tokens[1:-1]) else ""
    return text if _is_name(list(tokens)) else ""


def _is_name(tokens: Tokens) -> bool:
    """Whether it is a letter, capitals (a segment), a word, or a decorated letter, with subscript, primes and arguments."""
    index = 0
    if tokens and tokens[0].sign in DECORATIONS:
        index = 1
    elif len(tokens) > 1 and all(token.kind is Kind.SYMBOL and token.text.isupper() for token in tokens):
        return len(tokens) <= 4
    if index < len(tokens) and tokens[index].sign == "{":
        end = _closing(tokens[index:]) + index
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
            index = _closing(tokens[index + 1 :]) + index + 2 if tokens[index + 1].text == "{" else index + 2
        else:
            return tokens[index].sign == "(" and _closing(tokens[index:]) + index == len(tokens) - 1
    return True


def _names_itself(token: Token) -> bool:
    """Whether a token is a name: a letter, a word, capitals. xy is a product."""
    if token.kind is Kind.WORD:
        return token.style is not Style.PLAIN or token.text.isupper() or len(token.text) > 3
    return token.kind is Kind.SYMBOL or token.text == "e"


def _trimmed(tokens: Tokens) -> Tokens:
    while tokens and tokens[-1].sign in (".", ",", ";", "?", ":"):
        tokens = tokens[:-1]
    while tokens and tokens[0].sign in (":", "."):
        tokens = tokens[1:]
    return tokens


def _closing(tokens: Sequence[Token]) -> int:
    """Return where the bracket that the tokens begin with is closed; -1 where it is not."""
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.sign in _OPEN) - (token.sign in _CLOSE)
        if depth == 0:
            return index + (3 if token.sign == "end" and index + 3 < len(tokens) else 0)
    return -1


def _split(tokens: Tokens, at: Callable[[Token], bool]) -> list[Tokens]:
    """Return the parts between the tokens outside brackets at which `at` splits."""
    parts: list[Tokens] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.sign in _OPEN) - (token.sign in _CLOSE)
        if depth == 0 and token.text not in _CLOSE and at(token):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _top(tokens: Tokens) -> Tokens:
    """Return the tokens outside brackets."""
    depth, top = 0, []
    for token in tokens:
        depth += (token.sign in _OPEN) - (token.sign in _CLOSE)
        if depth == 0 and token.text not in _CLOSE:
            top.append(token)
    return top
