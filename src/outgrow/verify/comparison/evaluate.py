"""The value of a formula at a point: exact where it is rational, else complex to a number of digits. Bounded in time and memory.

Every operation is checked before it is done: a number has at most `MOST_BITS` bits and its logarithm at most as many, and all
operations of one value together may handle `FUEL` bits. What goes beyond raises TooHard, so 9^{9^{9^9}} costs nothing.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

import mpmath

from .formula import Apply, Node, Number, Symbol

MOST_BITS = 50_000
"""Of a whole number. 2004! has 19,000, 2^{2006} has 2,006."""
FUEL = 2_000_000
_LARGEST_FACTORIAL = 4000

Value: TypeAlias = Fraction | Any
"""A rational number, or a complex one (mpmath.mpc, which has no types)."""


class TooHard(Exception):
    """The value has too many digits, or too much work goes into it."""


class Undefined(Exception):
    """The formula has no value here: a quotient by zero, a symbol without a value, a function with the wrong arguments."""


def evaluate(node: Node, point: Mapping[str, Fraction], digits: int) -> Value:
    """Return the value of a formula where symbols have the values of `point`.

    digits: of values that are not rational. Raises TooHard and Undefined.

    >>> from .tokens import tokens_of; from .expression import read_expression
    >>> evaluate(read_expression(tokens_of(r"\\frac{x}{2}+1")), {"x": Fraction(1, 3)}, 50)
    Fraction(7, 6)
    """
    with mpmath.workdps(digits):
        try:
            value = _Evaluation(point).value(node)
        except (ZeroDivisionError, ValueError, OverflowError, TypeError, mpmath.libmp.NoConvergence) as error:
            raise Undefined from error
    if isinstance(value, mpmath.mpc) and not (mpmath.isfinite(value.real) and mpmath.isfinite(value.imag)):
        raise Undefined
    return value


class _Evaluation:
    def __init__(self, point: Mapping[str, Fraction]) -> None:
        self._point = point
        self._fuel = FUEL

    def value(self, node: Node) -> Value:
        """Return the value of a tree. Each operation is paid for by the bits of its result."""
        match node:
            case Number(value):
                return self._paid(value)
            case Symbol(name):
                return self._symbol(name)
            case Apply("^", (base, exponent)):
                return self._paid(_power(self.value(base), self.value(exponent)))
        values = [self.value(argument) for argument in node.arguments]
        self._fuel -= sum(_bits(value) for value in values)
        if self._fuel < 0:
            raise TooHard
        return self._paid(_OPERATIONS.get(node.operation, _unknown)(*values))

    def _symbol(self, name: str) -> Value:
        if name in self._point:
            return self._point[name]
        constants: dict[str, Callable[[], Value]] = {
            "pi": lambda: mpmath.mpc(mpmath.pi),
            "e": lambda: mpmath.mpc(mpmath.e),
            "i": lambda: mpmath.mpc(0, 1),
        }
        if name not in constants:
            raise Undefined
        return constants[name]()

    def _paid(self, value: Value) -> Value:
        bits = _bits(value)
        self._fuel -= bits
        if bits > 2 * MOST_BITS or self._fuel < 0:
            raise TooHard
        return value


def _bits(value: Value) -> int:
    if isinstance(value, Fraction):
        return value.numerator.bit_length() + value.denominator.bit_length()
    return 4000  # what an operation on 50 digits costs, next to one on whole numbers


def complex_of(value: Value) -> Any:
    """Return a value as a complex number of the working precision."""
    if isinstance(value, Fraction):
        return mpmath.mpc(mpmath.mpf(value.numerator) / value.denominator)
    return value


def _complex_if_needed(exact: Callable[..., Fraction], rounded: Callable[..., Any]) -> Callable[..., Value]:
    def operation(*values: Value) -> Value:
        if all(isinstance(value, Fraction) for value in values):
            return exact(*values)
        return rounded(*map(complex_of, values))

    return operation


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        if exponent.denominator == 1:
            whole = exponent.numerator
            if base == 0 and whole <= 0:
                raise Undefined
            size = max(base.numerator.bit_length(), base.denominator.bit_length())
            if size > 1 and (size * abs(whole) > MOST_BITS or abs(whole) > 10**6):
                raise TooHard
            return base**whole if abs(base) != 1 else Fraction(-1 if base < 0 and whole % 2 else 1)
        if (root := _exact_root(base, exponent.denominator)) is not None and abs(exponent.numerator) < 100:
            return _power(root, Fraction(exponent.numerator))
    base, exponent = complex_of(base), complex_of(exponent)
    if base == 0:
        if exponent.real <= 0:
            raise Undefined
        return Fraction(0)
    return _bounded_exp(exponent * mpmath.log(base))


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    """Return the root of a fraction where it is rational; None elsewhere."""
    if value < 0 or degree > 60:
        return None
    parts = []
    for whole in (value.numerator, value.denominator):
        root = math.isqrt(whole) if degree == 2 else _integer_root(whole, degree)
        if root**degree != whole:
            return None
        parts.append(root)
    return Fraction(parts[0], parts[1])


def _integer_root(whole: int, degree: int) -> int:
    if whole < 2:
        return whole
    low, high = 1, 1 << (whole.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= whole else (low, middle - 1)
    return low


def _bounded_exp(value: Any) -> Any:
    if abs(value.real) > MOST_BITS or abs(value.imag) > 10**9:
        raise TooHard
    return mpmath.exp(value)


def _root(radicand: Value, degree: Value) -> Value:
    """Return the principal root; the real one of a negative number where the degree is odd, as \\sqrt[3]{-8} is read."""
    if not isinstance(degree, Fraction) or degree.denominator != 1 or degree <= 0:
        return _power(radicand, Fraction(1) / degree if isinstance(degree, Fraction) else 1 / degree)
    whole = degree.numerator
    if whole > 1000:
        raise TooHard
    if whole % 2 and _is_negative(radicand):
        return -_root(-radicand, degree)
    return _power(radicand, Fraction(1, whole))


def _is_negative(value: Value) -> bool:
    return value < 0 if isinstance(value, Fraction) else bool(value.imag == 0 and value.real < 0)


def _factorial(value: Value) -> Value:
    if isinstance(value, Fraction) and value.denominator == 1:
        if value < 0:
            raise Undefined
        if value > _LARGEST_FACTORIAL:
            raise TooHard
        return Fraction(math.factorial(value.numerator))
    return _gamma(complex_of(value) + 1)


def _gamma(value: Any) -> Any:
    if abs(value) > 1000:
        raise TooHard
    return mpmath.gamma(value)


def _binomial(top: Value, bottom: Value) -> Value:
    if isinstance(top, Fraction) and isinstance(bottom, Fraction) and top.denominator == bottom.denominator == 1:
        if not 0 <= top <= 10_000 or bottom < 0:
            raise TooHard
        return Fraction(math.comb(top.numerator, bottom.numerator))
    one, other = complex_of(top), complex_of(bottom)
    return _gamma(one + 1) / (_gamma(other + 1) * _gamma(one - other + 1))


def _rounded(how: Callable[[Fraction], int]) -> Callable[[Value], Value]:
    def operation(value: Value) -> Value:
        if isinstance(value, Fraction):
            return Fraction(how(value))
        if value.imag != 0 or abs(value.real) > 10**15:
            raise Undefined
        return Fraction(int(mpmath.floor(value.real) if how is math.floor else mpmath.ceil(value.real)))

    return operation


def _of_complex(function: Callable[[Any], Any], largest: float = 10**6) -> Callable[[Value], Value]:
    def operation(value: Value) -> Value:
        argument = complex_of(value)
        if abs(argument.real) > largest or abs(argument.imag) > 1000:
            raise TooHard
        return mpmath.mpc(function(argument))

    return operation


def _log(value: Value) -> Value:
    if value == 0:
        raise Undefined
    return Fraction(0) if value == 1 else mpmath.mpc(mpmath.log(complex_of(value)))


def _whole(how: Callable[..., int]) -> Callable[..., Value]:
    def operation(*values: Value) -> Value:
        wholes = [value.numerator for value in values if isinstance(value, Fraction) and value.denominator == 1]
        if len(wholes) != len(values):
            raise Undefined
        return Fraction(how(*wholes))

    return operation


def _extreme(how: Callable[..., Fraction]) -> Callable[..., Value]:
    def operation(*values: Value) -> Value:
        exact = [value for value in values if isinstance(value, Fraction)]
        if len(exact) != len(values) or not exact:
            raise Undefined
        return how(exact)

    return operation


def _unknown(*_: Value) -> Value:
    raise Undefined


def _sum(*values: Value) -> Value:
    if all(isinstance(value, Fraction) for value in values):
        return sum((value for value in values if isinstance(value, Fraction)), Fraction(0))
    return mpmath.fsum(map(complex_of, values))


_EXACT_ZERO = {"sin", "tan", "arcsin", "arctan", "sinh", "tanh"}
_TRIGONOMETRY: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(mpmath, name) for name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth")},
    **{"arc" + name: getattr(mpmath, "a" + name) for name in ("sin", "cos", "tan", "cot", "sinh", "cosh", "tanh")},
}
_OPERATIONS: dict[str, Callable[..., Value]] = {
    "+": _sum,
    "neg": lambda value: -value,
    "*": _complex_if_needed(lambda *values: math.prod(values, start=Fraction(1)), lambda *values: mpmath.fprod(values)),
    "/": _complex_if_needed(lambda top, bottom: top / bottom, lambda top, bottom: top / bottom),
    "mixed": _complex_if_needed(lambda whole, part: whole + part, lambda whole, part: whole + part),
    "%": lambda value: value / 100,
    "deg": lambda value: complex_of(value) * mpmath.pi / 180,
    "abs": _complex_if_needed(abs, lambda value: mpmath.mpc(abs(value))),
    "root": _root,
    "!": _factorial,
    "binom": _binomial,
    "floor": _rounded(math.floor),
    "ceil": _rounded(math.ceil),
    "log": _log,
    "log10": lambda value: complex_of(_log(value)) / mpmath.log(10),
    "exp": lambda value: _bounded_exp(complex_of(value)),
    "max": _extreme(max),
    "min": _extreme(min),
    "gcd": _whole(math.gcd),
    "lcm": _whole(math.lcm),
    **{name: _of_complex(function) for name, function in _TRIGONOMETRY.items()},
}
