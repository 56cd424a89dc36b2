r"""What an answer is made of: a list, a set, a tuple or interval, a union, a matrix, an equation, an inequality, or one value.

x \le 3 becomes the interval (-\infty, 3], a \pm b the list a+b, a-b, and x = 1/3 \approx 0.33 one value with its name and links.
"""

from dataclasses import dataclass

from .brackets import OPEN, closing, split, top
from .names import name_of
from .tokens import Kind, Token, tokens_of

Tokens = list[Token]

_EQUAL = {"=", "~="}
_ORDER = {"<", "<=", ">", ">="}
_MATRICES = {"pmatrix", "bmatrix", "matrix", "Bmatrix", "smallmatrix", "array"}
_DEEPEST = 20


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
    factor: tuple[Token, ...] = ()
    """What stands before a matrix and multiplies it."""


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

    >>> answer = read_answer(tokens_of(r"x \le 3"))
    >>> (answer.opening, answer.closing, answer.name)
    ('(', ']', 'x')
    """
    tokens = _trimmed(tokens)
    if depth > _DEEPEST:
        return Value((("", tokens),))
    parts = split(tokens, lambda token: token.sign in (",", ";", "and", "or"))
    if len(parts) > 1:
        if not parts[0]:
            return Value((("", tokens),))  # ,100 is no list
        return _several(tokens, [read_answer(part, depth + 1) for part in parts if part])
    pieces = split(tokens, lambda token: token.kind is Kind.SIGN and token.sign == "cup")
    relations = [token for token in top(tokens) if token.sign in _EQUAL | _ORDER | {"in", "!="}]
    if relations:
        return _related(tokens, depth)
    if len(pieces) > 1 and all(pieces):
        return Union(tuple(read_answer(piece, depth + 1) for piece in pieces))
    return _bracketed(tokens, depth) or _plus_minus(tokens, depth) or Value((("", tokens),))


def _several(tokens: Tokens, parts: list[Answer]) -> Answer:
    """Return a list; where its parts are intervals that "or" joins, their union, and those that "and" joins, what both say."""
    if all(isinstance(part, Row) and part.name for part in parts) and any(token.sign == "or" for token in top(tokens)):
        rows = [part for part in parts if isinstance(part, Row)]
        if len({row.name for row in rows}) == 1:
            return Union(tuple(Row(row.opening, row.closing, row.parts) for row in rows), rows[0].name)
    # \pm 1, \pm 2 are four answers.
    return Many(
        tuple(single for part in parts for single in (part.parts if isinstance(part, Many) and not part.is_set else (part,)))
    )


def _bracketed(tokens: Tokens, depth: int) -> Answer | None:
    r"""Return what stands in brackets that enclose all: \{1, 2\}, (1, 2), [0, 1), a matrix; None where no brackets do."""
    if (len(tokens) == 1 and tokens[0].sign == "emptyset") or [token.text for token in tokens] == [r"\{", r"\}"]:
        return Many((), is_set=True)
    if len(tokens) < 3:
        return None
    if tokens[0].sign not in OPEN or closing(tokens) != len(tokens) - 1:
        return _multiplied(tokens, depth)
    left, right, inside = tokens[0].text, tokens[-1].text, tokens[1:-1]
    if left == "{" and right == "}":
        return read_answer(inside, depth + 1)
    if left == r"\{":
        return _set(inside, depth)
    if left == "begin":
        return _matrix(tokens, depth)
    if left not in ("(", "[") or right not in (")", "]"):
        return None
    parts = split(inside, lambda token: token.sign in (",", ";"))
    if len(parts) == 1 and ((left == "(" and right == ")") or inside[0].sign == "begin"):
        return read_answer(inside, depth + 1)
    return Row(left, right, tuple(read_answer(part, depth + 1) for part in parts))


def _multiplied(tokens: Tokens, depth: int) -> Answer | None:
    """Return a matrix that something multiplies from the left."""
    start = next((place for place, token in enumerate(tokens) if token.sign == "begin"), 0)
    if start and tokens[start - 1].sign in ("(", "["):
        start -= 1
    if not start or closing(tokens[start:]) != len(tokens) - 1 - start:
        return None
    matrix = _bracketed(tokens[start:], depth + 1)
    factor = tokens[:start]
    if factor[-1].sign in ("-", "*"):
        factor = [*factor, Token(Kind.NUMBER, "1")]
    return Matrix(matrix.rows, tuple(factor)) if isinstance(matrix, Matrix) and not matrix.factor else None


def _set(inside: Tokens, depth: int) -> Answer:
    r"""Return the set that stands in braces; of \{x \mid x < 3\} the interval."""
    halves = split(inside, lambda token: token.sign in ("|", ":"))
    if len(halves) == 2 and name_of(halves[0]):
        content = read_answer(halves[1], depth + 1)
        if isinstance(content, Row | Union) and content.name == name_of(halves[0]):
            return content
    content = read_answer(inside, depth + 1)
    return Many(content.parts if isinstance(content, Many) and not content.is_set else (content,), is_set=True)


def _matrix(tokens: Tokens, depth: int) -> Answer | None:
    name_end = next((index for index, token in enumerate(tokens) if token.sign == "}"), 0)
    if "".join(token.text for token in tokens[2:name_end]) not in _MATRICES:
        return None
    ends = [index for index, token in enumerate(tokens) if token.sign == "end"]
    if not ends:
        return None
    if tokens[name_end + 1].text == "{":  # how the columns of an array are set
        name_end += 1 + closing(tokens[name_end + 1 :])
    inside = tokens[name_end + 1 : ends[-1]]
    rows = [_without_skip(row) for row in split(inside, lambda token: token.sign == "\\") if row]
    cells = [[read_answer(cell, depth + 1) for cell in split(row, lambda token: token.sign == "&")] for row in rows]
    return Matrix(tuple(map(tuple, cells)))


def _without_skip(row: Tokens) -> Tokens:
    r"""Return a row without the distance that \\[4pt] puts before it."""
    skip = [token.text for token in row[:4]]
    return row[4:] if skip[0] == "[" and skip[2:] in (["pt", "]"], ["em", "]"], ["ex", "]"], ["mm", "]"]) else row


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
    terms = split(tokens, lambda token: token.sign in _EQUAL | _ORDER | {"in", "!="})
    signs = [token.text for token in top(tokens) if token.sign in _EQUAL | _ORDER | {"in", "!="}]
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


def _trimmed(tokens: Tokens) -> Tokens:
    while tokens and tokens[-1].sign in (".", ",", ";", "?", ":"):
        tokens = tokens[:-1]
    while tokens and tokens[0].sign in (":", "."):
        tokens = tokens[1:]
    return tokens
