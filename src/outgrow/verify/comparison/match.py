r"""Whether what an answer is made of is what the known one is made of (see `structure`).

Lists and sets are compared in any order, tuples and intervals in theirs, with their brackets. A name before an equals sign is
passed over, unless both sides have one and they differ. An answer behind several steps (x = 1/3 \approx 0.33) is right where one
step is the known answer and all steps agree with each other.
"""

import re
from collections.abc import Sequence
from fractions import Fraction

from .based import read_based
from .clock import read_clock
from .equal import proportional, rounds_to, same_value
from .expression import read_expression
from .formula import Apply, Node, Number, Unreadable
from .names import name_of
from .number import number_of, same_number
from .structure import Answer, Equation, Many, Matrix, Ordered, Row, Tokens, Union, Value
from .tokens import Kind, Style, Token, tokens_of, written
from .units import split_unit

_MOST_PARTS = 60
"""Parts of a list that are paired with each other in any order."""


def matches(known: Answer, answer: Answer) -> bool:
    """Return whether the answer says what the known one says."""
    match known, answer:
        case Value(), Value():
            return _same_named(known, answer)
        case Value(), Equation() if not _holds_symbols([*answer.left, *answer.right]):
            # 3 + 4 = 7 is a chain of equalities.
            return _same_named(known, Value((("", answer.left), ("=", answer.right))))
        case Many(), Many():
            return not (known.is_set and not known.parts) ^ (answer.is_set and not answer.parts) and _paired(
                known.parts, answer.parts
            )
        case Many(), _ if len(known.parts) == 1:
            return matches(known.parts[0], answer)
        case _, Many() if len(answer.parts) == 1 and answer.is_set:
            return matches(known, answer.parts[0])
        case Row(), Row():
            return (
                _names_agree(known.name, answer.name)
                and (known.opening, known.closing) == (answer.opening, answer.closing)
                and len(known.parts) == len(answer.parts)
                and all(matches(*pair) for pair in zip(known.parts, answer.parts, strict=True))
            )
        case Row("(", ")", parts), Many():
            return _same_tuple(parts, answer.parts)
        case Union(), Union():
            return _names_agree(known.name, answer.name) and _paired(known.parts, answer.parts)
        case Matrix(), Matrix():
            return [len(row) for row in known.rows] == [len(row) for row in answer.rows] and all(
                _same_cell(one, other, known.factor, answer.factor)
                for row, other_row in zip(known.rows, answer.rows, strict=True)
                for one, other in zip(row, other_row, strict=True)
            )
        case Ordered(), Ordered():
            return known.signs == answer.signs and all(same_tokens(*pair) for pair in zip(known.terms, answer.terms, strict=True))
        case Equation(), Equation():
            return _same_equation((known.left, known.right), (answer.left, answer.right))
        case Value(name=name), Equation() if name:
            # y = 2x + 3 may be written 2x - y + 3 = 0, but x = 5 must be solved for x.
            sides = (_tokens_of_name(known), known.links[-1][1])
            return _holds_symbols(known.links[-1][1]) and _same_equation(sides, (answer.left, answer.right))
        case Equation(), Value(name=name) if name and len(answer.links) == 1:
            return _same_equation((known.left, known.right), (_tokens_of_name(answer), answer.links[0][1]))
    return False


def _paired(known: tuple[Answer, ...], answer: tuple[Answer, ...]) -> bool:
    """Return whether the parts of both can be paired, each with an equal one."""
    if len(known) != len(answer) or len(known) > _MOST_PARTS:
        return False
    left = list(answer)
    for part in known:
        index = next((index for index, other in enumerate(left) if matches(part, other)), None)
        if index is None:
            return False
        del left[index]
    return True


def _same_cell(known: Answer, answer: Answer, known_factor: Sequence[Token], answer_factor: Sequence[Token]) -> bool:
    """Return whether cells of two matrices are the same, each times what multiplies its matrix."""
    if not known_factor and not answer_factor:
        return matches(known, answer)
    products: list[Node] = []
    for cell, factor in ((known, known_factor), (answer, answer_factor)):
        node = _node(cell.links[0][1]) if isinstance(cell, Value) and len(cell.links) == 1 and not cell.name else None
        multiplier = _node(factor) if factor else Number(Fraction(1))
        if node is None or multiplier is None:
            return False
        products.append(Apply("*", (multiplier, node)))
    return same_value(*products)


def _same_tuple(known: tuple[Answer, ...], answer: tuple[Answer, ...]) -> bool:
    """Return whether y = 3, x = 9 say what the tuple (9, 3) says: its parts by the order of their names."""
    named = {part.name: part for part in answer if isinstance(part, Value) and part.name}
    ordered = [named[name] for name in sorted(named)]
    return len(known) == len(answer) == len(ordered) and all(matches(*pair) for pair in zip(known, ordered, strict=True))


def _names_agree(known: str, answer: str) -> bool:
    return not known or not answer or known == answer


def _same_named(known: Value, answer: Value) -> bool:
    if not _names_agree(known.name, answer.name):
        # P = Q is Q = P.
        turned = (name_of(answer.links[-1][1]), name_of(known.links[-1][1]))
        return len(known.links) == len(answer.links) == 1 and turned == (known.name, answer.name)
    if len(answer.links) > 1 and not _consistent(answer):
        return False
    return any(same_tokens(one, other) for _, one in known.links for _, other in answer.links)


def _consistent(value: Value) -> bool:
    """Whether each step equals the one before: exactly behind =, to a unit in the last place behind ≈."""
    for (_, before), (sign, after) in zip(value.links, value.links[1:], strict=False):
        before, after = split_unit(before)[0], split_unit(after)[0]
        one, other = _node(before), _node(after)
        if one is None or other is None:
            return False
        if not (same_value(one, other) or (sign == "~=" and _rounds(one, other))):
            return False
    return True


def _rounds(exact: Node, rounded: Node) -> bool:
    match rounded:
        case Number(_, _, unit) | Apply("neg", (Number(_, _, unit),)):
            return rounds_to(exact, rounded, unit or Fraction(1))
    return False


def same_tokens(known: Tokens, answer: Tokens) -> bool:
    """Return whether one value is the other one: as the same text, a number, a time or date, a number with a base, or a formula."""
    if written(known) == written(answer):
        return True
    known_text, answer_text = _plain(known), _plain(answer)
    if clock := read_clock(known_text):
        return clock.same(read_clock(answer_text))
    if read_clock(answer_text):
        return False
    known_based, answer_based = read_based(known_text), read_based(answer_text)
    if known_based or answer_based:
        return _same_based(known_based, answer_based, known_text, answer_text)
    if number := number_of(known):
        other = number_of(answer, plain_units=True)
        return other is not None and same_number(number, other)
    if _is_choice(known):
        return _letter(answer_text) == _letter(known_text)
    if known and all(token.kind is Kind.WORD for token in known) and not _is_product(known):
        return known_text.casefold() == answer_text.casefold()
    return _same_formula(known, answer)


def _same_formula(known: Tokens, answer: Tokens) -> bool:
    one, other = _node(known), _node(answer)
    if one is not None and other is not None and same_value(one, other):
        return True
    # A unit on one side only, or another one.
    (known_rest, known_unit), (answer_rest, answer_unit) = split_unit(known), split_unit(answer)
    if len(known_rest) == len(known) and len(answer_rest) == len(answer):
        return False
    one, other = _node(known_rest), _node(answer_rest)
    if known_unit.scale != answer_unit.scale or known_unit.percent != answer_unit.percent or one is None or other is None:
        return False
    return same_value(one, other) and not (answer_unit.degrees and not known_unit.degrees)


def _same_equation(known: tuple[Tokens, Tokens], answer: tuple[Tokens, Tokens]) -> bool:
    nodes = [_node(side) for side in (*known, *answer)]
    readable = [node for node in nodes if node is not None]
    if len(readable) < 4:
        return [written(side) for side in known] == [written(side) for side in answer]
    left, right, other_left, other_right = readable
    one = Apply("+", (left, Apply("neg", (right,))))
    other = Apply("+", (other_left, Apply("neg", (other_right,))))
    return proportional(one, other)


def _same_based(known: tuple[str, int] | None, answer: tuple[str, int] | None, known_text: str, answer_text: str) -> bool:
    """Return whether numbers with a base are the same.

    The answer's base may be missing where the known one has it, since the question asks for it. 12_{10} is 12.
    """
    if known and answer:
        return known == answer
    based, plain = (known, answer_text) if known else (answer, known_text)
    assert based is not None
    digits, base = based
    return plain.replace(" ", "").upper() == digits and (known is not None or base == 10)


def _node(tokens: Sequence[Token]) -> Node | None:
    try:
        return read_expression(tokens)
    except Unreadable:
        return None


def _plain(tokens: Tokens) -> str:
    return "".join(" " * token.spaced + token.text for token in tokens if token.sign not in ("{", "}")).strip()


def _is_product(tokens: Tokens) -> bool:
    """Whether a run of letters is a product of two symbols, as ab, and no word."""
    return len(tokens) == 1 and tokens[0].style is Style.PLAIN and len(tokens[0].text) == 2


def _is_choice(tokens: Tokens) -> bool:
    return bool(re.fullmatch(r"\(?[A-Z]\)?", _plain(tokens)))


def _letter(text: str) -> str:
    """Return the letter of a choice: B, (B), B. or b)."""
    found = re.fullmatch(r"\(?([A-Z])\)?[.:]?|\(?([a-z])\)", text)
    return (found[1] or found[2]).upper() if found else text


def _holds_symbols(tokens: Tokens) -> bool:
    return any(token.kind is Kind.SYMBOL for token in tokens)


def _tokens_of_name(value: Value) -> Tokens:
    return tokens_of(value.name)
