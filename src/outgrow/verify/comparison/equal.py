"""Whether two formulas are the same: by their values at chosen points, exact or to 80 digits, never rounded to some places.

Two formulas that are not the same agree at a random point with probability 0, up to digits. Points are fixed by the symbols'
names, so that every run says the same. A formula with corners or steps, as |x - 3|, is also tried far from 0, since near 0 it
agrees with 3 - x. One with floors and with n, m or k is a function of whole numbers. Where a side has no real value, as the root
of a negative number, the point does not count; both must have a real value at three points at least, or be equal as complex
numbers where one of them holds i. Five points are plenty.
"""

import random
from collections.abc import Iterable
from fractions import Fraction

import mpmath

from .evaluate import TooHard, Undefined, Value, complex_of, evaluate
from .formula import Apply, Node, Number, Symbol
from .symbols import CONSTANTS

_DIGITS, _MORE_DIGITS = 50, 80
_POINTS = 10
_ENOUGH, _PLENTY = 3, 5
_PRIMES = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
_SCALES = (8, 40, 200, 1000)
_CORNERS = {"floor", "ceil", "abs", "max", "min", "gcd", "lcm", "root"}
_WHOLE_NUMBERS = set("kmnKMN")
FULL_LENGTH = 12
"""Significant digits from which on a decimal stands for the number that it is rounded or cut from: 0.0833333333333 is 1/12."""
_DOUBLE = 2.0**-52
"""Or that it is as near to as double precision is: the 17 digits that Python prints of 37/11 end in …38, not …36."""


def same_value(known: Node, answer: Node) -> bool:
    """Return whether two formulas are the same function of their symbols.

    A decimal of at least `FULL_LENGTH` significant digits is equal to a constant that it is rounded or cut from.
    """
    if known == answer:
        return True
    try:
        names = sorted(symbols_of(known) | symbols_of(answer))
        if not names:
            return _same_constant(known, answer)
        return _same_function(known, answer, names)
    except TooHard:
        return False


def proportional(one: Node, other: Node) -> bool:
    """Return whether one formula is the other times a number that is not 0: the equations one = 0 and other = 0 are the same."""
    names = sorted(symbols_of(one) | symbols_of(other))
    if not names or symbols_of(one) != symbols_of(other):
        return False
    try:
        ratio: Node | None = None
        for point in _points(names):
            values = [_value(node, point, _DIGITS) for node in (one, other)]
            if values[0] is not None and values[1] is not None and values[1] != 0 and values[0] != 0:
                if isinstance(values[0], Fraction) and isinstance(values[1], Fraction):
                    ratio = Number(values[0] / values[1])
                    break
                # The ratio is kept as a formula, so that it can be had to more digits.
                ratio = Apply("/", (_at(one, point), _at(other, point)))
                break
        return ratio is not None and _same_function(one, Apply("*", (ratio, other)), names)
    except TooHard:
        return False


def symbols_of(node: Node) -> set[str]:
    """Return the names of a formula's symbols, without pi, e and i."""
    match node:
        case Symbol(name):
            return set() if name in CONSTANTS else {name}
        case Apply(_, arguments):
            return set().union(*(symbols_of(argument) for argument in arguments))
    return set()


def rounds_to(exact: Node, rounded: Node, unit: Fraction, double: float = 0.0) -> bool:
    """Return whether a constant becomes a decimal when it is rounded to, or cut after, the decimal's last place.

    unit: what one unit in that place is worth. double: relative difference that is allowed in any case.
    """
    try:
        with mpmath.workdps(_DIGITS):
            one, other = complex_of(evaluate(exact, {}, _DIGITS)), complex_of(evaluate(rounded, {}, _DIGITS))
            if one.imag != 0 or other.imag != 0:
                return False
            rest = abs(one.real) - abs(other.real)
            place = complex_of(unit).real
            slack = place * mpmath.mpf(10) ** -20  # half a unit is not exact in binary
            near = -place / 2 - slack <= rest < place or abs(rest) <= abs(one.real) * double
            return bool(near and mpmath.sign(one.real) * mpmath.sign(other.real) >= 0)
    except (TooHard, Undefined):
        return False


def _same_constant(known: Node, answer: Node) -> bool:
    for exact, rounded in ((known, answer), (answer, known)):
        if (unit := _full_length(rounded)) is not None and _full_length(exact) is None:
            return rounds_to(exact, rounded, unit, _DOUBLE)
    return _agree(known, answer, {}, False) is True


def _full_length(node: Node) -> Fraction | None:
    """Return the unit in the last place of a decimal of full length; None where the formula is none."""
    match node:
        case Apply("neg", (inner,)):
            return _full_length(inner)
        case Number(_, digits, unit) if digits >= FULL_LENGTH:
            return unit
    return None


def _same_function(known: Node, answer: Node, names: list[str]) -> bool:
    is_complex = _holds_i(known) or _holds_i(answer)
    if _holds(known, {"floor", "ceil"}) and set(names) <= _WHOLE_NUMBERS:
        first, *others = _far_points(names, whole=True)
        return _agree(known, answer, first, not is_complex) is not False and _agree_far(known, answer, others, _PLENTY)
    for points in (_points(names), _whole_points(names), _far_points(names)):
        agreed = 0
        for point in points:
            agree = _agree(known, answer, point, not is_complex)
            if agree is False:
                return False
            agreed += agree is True
            if agreed == _PLENTY:
                break
        if agreed >= _ENOUGH:
            corners = _holds(known, _CORNERS) or _holds(answer, _CORNERS)
            return not corners or _agree_far(known, answer, _far_points(names), 0)
    return False


def _agree_far(known: Node, answer: Node, points: Iterable[dict[str, Fraction]], enough: int) -> bool:
    """Return whether two formulas differ at no point and agree at `enough` (one with too many digits is passed over)."""
    is_complex = _holds_i(known) or _holds_i(answer)
    agreed = 0
    for point in points:
        try:
            agree = _agree(known, answer, point, not is_complex)
        except TooHard:
            continue
        if agree is False:
            return False
        agreed += agree is True
    return agreed >= enough


def _agree(known: Node, answer: Node, point: dict[str, Fraction], real: bool) -> bool | None:
    """Return whether two formulas have the same value at a point; None where a side has none, or none that is real and must be."""
    one, other = _value(known, point, _DIGITS), _value(answer, point, _DIGITS)
    if one is None or other is None:
        return None
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    if real and not (_is_real(one) and _is_real(other)):
        return None
    with mpmath.workdps(_DIGITS):
        difference = abs(complex_of(one) - complex_of(other))
        size = max(abs(complex_of(one)), abs(complex_of(other)))
        if size > mpmath.mpf(10) ** -25 and difference > size * mpmath.mpf(10) ** -25:
            return False
    # With more digits the difference of equal values shrinks, also where they are the small rest of large terms.
    one, other = _value(known, point, _MORE_DIGITS), _value(answer, point, _MORE_DIGITS)
    if one is None or other is None:
        return None
    with mpmath.workdps(_MORE_DIGITS):
        finer = abs(complex_of(one) - complex_of(other))
        size = max(abs(complex_of(one)), abs(complex_of(other)))
        tenth = mpmath.mpf(10)
        return bool(finer <= size * tenth**-65 or finer <= difference * tenth**-20)


def _value(node: Node, point: dict[str, Fraction], digits: int) -> Value | None:
    try:
        return evaluate(node, point, digits)
    except Undefined:
        return None


def _is_real(value: Value) -> bool:
    return isinstance(value, Fraction) or abs(value.imag) <= abs(value.real) * mpmath.mpf(10) ** -40


def _holds_i(node: Node) -> bool:
    match node:
        case Symbol(name):
            return name == "i"
        case Apply(_, arguments):
            return any(_holds_i(argument) for argument in arguments)
    return False


def _holds(node: Node, operations: set[str]) -> bool:
    """Whether one of the operations is done to a symbol."""
    match node:
        case Apply(operation, arguments):
            if operation in operations and symbols_of(node):
                return True
            return any(_holds(argument, operations) for argument in arguments)
    return False


def _at(node: Node, point: dict[str, Fraction]) -> Node:
    match node:
        case Symbol(name) if name in point:
            return Number(point[name])
        case Apply(operation, arguments):
            return Apply(operation, tuple(_at(argument, point) for argument in arguments))
    return node


def _draw(name: str) -> random.Random:
    """Return the generator of that name, as `random.Random(name)` is, also where it holds half a character (a lone surrogate)."""
    return random.Random(name.encode("utf-8", "surrogatepass"))


def _points(names: list[str]) -> Iterable[dict[str, Fraction]]:
    """Return points in (1/3, 3), in every second of which some coordinates are negative."""
    for index, prime in enumerate(_PRIMES[:_POINTS]):
        draw = _draw(f"{index} {' '.join(names)}")
        signs = [1 if index % 2 == 0 else draw.choice((-1, 1)) for _ in names]
        if index % 2 and 1 in signs and -1 not in signs:
            signs[draw.randrange(len(signs))] = -1
        yield {
            name: Fraction(sign * draw.randint(prime // 3 + 1, 3 * prime - 1), prime)
            for name, sign in zip(names, signs, strict=True)
        }


def _whole_points(names: list[str]) -> Iterable[dict[str, Fraction]]:
    """Return points of positive whole numbers, for formulas that have a value there only, such as (-1)^n."""
    for index in range(2 * _POINTS):
        draw = _draw(f"whole {index} {' '.join(names)}")
        yield {name: Fraction(draw.randint(1, 9)) for name in names}


def _far_points(names: list[str], whole: bool = False) -> Iterable[dict[str, Fraction]]:
    """Return points of all sizes up to 1000, by turns positive and of mixed signs. whole: positive whole numbers only."""
    for scale in _SCALES:
        for index in range(4):
            draw = _draw(f"far {scale} {index} {' '.join(names)}")
            parts = 1 if whole or index < 2 else 7
            signs = (1,) if whole or index % 2 == 0 else (1, -1)
            yield {name: Fraction(draw.choice(signs) * draw.randint(1, scale * parts), parts) for name in names}
