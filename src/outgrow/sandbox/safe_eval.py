"""Expressions worked out from their syntax tree. Only numbers, operators, known names and calls of known functions pass.

It stands in for `eval` and for SymPy's `parse_expr`, which is `eval` too, wherever reasoning-gym hands them what a model wrote.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

LONGEST = 1000  # characters of an expression
_LARGEST_POWER = 1000

_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_FUNCTIONS = [
    *("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "acot", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    *("exp", "log", "ln", "sqrt", "Abs", "erf"),
]


def calculate(
    text: str,
    number: Callable[[int | float], Any],
    operators: Mapping[type[ast.operator], Callable[[Any, Any], Any]],
    names: Callable[[str], Any],
    functions: Mapping[str, Callable[..., Any]],
) -> Any:
    """Return the value of an expression. Raises SyntaxError, as Python and SymPy do, where it uses anything that is not given here.

    >>> calculate("2*(0x3-1)", int, _ARITHMETIC, int, {})
    4
    """
    if len(text) > LONGEST:
        raise SyntaxError("too long")

    def of(node: ast.expr) -> Any:
        match node:
            case ast.Constant(value) if type(value) in (int, float):
                return number(value)  # type: ignore[arg-type]
            case ast.Name(name):
                return names(name)
            case ast.UnaryOp(sign, operand) if type(sign) in _SIGNS:
                return _SIGNS[type(sign)](of(operand))
            case ast.BinOp(left, operation, right) if type(operation) in operators:
                return operators[type(operation)](of(left), of(right))
            case ast.Call(ast.Name(name), [*arguments], []) if name in functions:
                return functions[name](*(of(argument) for argument in arguments))
        raise SyntaxError(f"{type(node).__name__} is not allowed")

    return of(ast.parse(text.strip(), mode="eval").body)


def expression(text: str, local_dict: Mapping[str, Any] | None = None, **_: Any) -> Any:
    """Return what SymPy's `parse_expr` would, for numbers, single letters, pi, E and the usual functions of one variable.

    >>> str(expression("2*x + x/2 + sqrt(4)"))
    '5*x/2 + 2'
    """
    import sympy

    known = {"pi": sympy.pi, "E": sympy.E, **(local_dict or {})}

    def named(name: str) -> Any:
        if name in known:
            return known[name]
        if len(name) > 1:
            raise SyntaxError(f"unknown name {name[:20]!r}")
        return sympy.Symbol(name)

    def number(value: int | float) -> Any:
        return sympy.Float(str(value)) if isinstance(value, float) else sympy.Integer(value)

    operators = {**_ARITHMETIC, ast.Div: operator.truediv, ast.Pow: _power}
    return calculate(text, number, operators, named, {name: getattr(sympy, name) for name in _FUNCTIONS})


def whole(text: str) -> int:
    """Return the value of an expression of whole numbers with + - * << >>.

    >>> whole("((0x10 + 2) << 1)")
    36
    """

    def unknown(name: str) -> int:
        raise SyntaxError(f"unknown name {name[:20]!r}")

    value = calculate(text, int, {**_ARITHMETIC, ast.LShift: operator.lshift, ast.RShift: operator.rshift}, unknown, {})
    return int(value)


def _power(base: Any, exponent: Any) -> Any:
    """Return base ** exponent. Raises SyntaxError where the exponent is too large: 9**9**9 has 370 million digits."""
    if exponent.is_number and not abs(exponent) <= _LARGEST_POWER:
        raise SyntaxError("too large a power")
    return base**exponent
