r"""What number does a LaTeX expression stand for, where its names have drawn values? Small, strict, and without SymPy.

The makers of mutants ask it whether two texts really differ. So it reads only what has one meaning: sums, products, quotients,
powers, roots, factorials, elementary functions, mixed numbers. Everything else, and what overflows a float, has no value here.
It shares nothing with the verifier's own reading of answers, so that a fault there cannot hide in the mutants.
"""

import cmath
import math
import random
import re
from collections.abc import Callable

_LONGEST = 300
_POINTS = 2
_APART = 1e-6
_CLOSE = 1e-9

THOUSANDS = r"\d{1,3}(?:(?:,|\{,\}|,\s*\\!\s*)\d{3})+(?![\d.,])"
_SPACING = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\[,;:! ]|~")
_UPRIGHT = re.compile(r"\\(?:mathrm|text|rm)\s*\{\s*([ei])\s*\}")
_TOKEN = re.compile(
    r"\\[A-Za-z]+|" + THOUSANDS + r"|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3}(?!\d))?|[A-Za-z]|[-+*/^_(){}\[\]!]|\s+|."
)
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}|^\s*[A-Z][a-z]\s*$")
_NUMBER = re.compile(r"[\d.]")
_INTEGER = re.compile(r"[+-]?(?:\d+|" + THOUSANDS + ")")
_GREEK = re.compile(
    r"\\(?:alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|upsilon|(?:var)?phi"
    r"|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Sigma|Phi|Psi|Omega|ell|hbar)"
)
_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "cot": lambda z: 1 / cmath.tan(z),
    "sec": lambda z: 1 / cmath.cos(z),
    "csc": lambda z: 1 / cmath.sin(z),
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "ln": cmath.log,
    "exp": cmath.exp,
}


def integer(text: str) -> int | None:
    r"""Return the integer that a text writes, with or without thousands separators; None where it writes none.

    >>> integer("-12"), integer(r"1,\!000"), integer("1.0")
    (-12, 1000, None)
    """
    text = text.strip()
    return int(re.sub(r"[^\d+-]", "", text)) if _INTEGER.fullmatch(text) else None


def value(text: str, point: int = 0) -> complex | None:
    r"""Return the value of an expression where each name has the value that belongs to (name, point); None where it has none.

    >>> value(r"2\frac{1}{2}"), value("2 3!"), value("2 \\cdot 3!"), value("(1,2)")
    ((2.5+0j), None, (12+0j), None)
    >>> value("xy", 1) == value("y x", 1) != value("x+y", 1)
    True
    """
    if len(text) > _LONGEST or _WORD.search(text):
        return None
    try:
        reader = _Reader(text, point)
        read = reader.sum()
        reader.end()
    except (_Unreadable, ArithmeticError, ValueError):
        return None
    return read if cmath.isfinite(read) else None


def differ(one: str, other: str) -> bool:
    r"""Return whether two expressions surely stand for different values; False also where that cannot be told.

    Integers are compared exactly, anything else to six digits at drawn values of the names.

    >>> differ("x+y", "y+x"), differ("x-y", "y-x"), differ("10000000001", "10000000002"), differ("(1,2)", "(1,3)")
    (False, True, True, False)
    """
    first, second = integer(one), integer(other)
    if first is not None and second is not None:
        return first != second
    for point in range(_POINTS):
        a, b = value(one, point), value(other, point)
        if a is not None and b is not None and abs(a - b) > _APART * max(abs(a), abs(b)):
            return True
    return False


def agree(one: str, other: str) -> bool:
    r"""Return whether two expressions have equal values to nine digits at each drawn point; False where either cannot be read.

    >>> agree(r"\frac{1}{\sqrt2}", r"\frac{\sqrt{2}}{2}"), agree("x", "y")
    (True, False)
    """
    for point in range(_POINTS):
        a, b = value(one, point), value(other, point)
        if a is None or b is None or abs(a - b) > _CLOSE * max(abs(a), abs(b)):
            return False
    return True


class _Unreadable(Exception):
    pass


class _Reader:
    """A recursive descent over the tokens of one expression."""

    def __init__(self, text: str, point: int) -> None:
        text = _UPRIGHT.sub(r" \1 ", re.sub(r",\s*\\!", r",\!", text))
        text = _SPACING.sub(lambda space: space[0] if space[0] == "\\!" and text[space.start() - 1] == "," else " ", text)
        self._tokens = [token for token in _TOKEN.findall(text) if not token.isspace()]
        self._at = 0
        self._point = point

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise _Unreadable

    def sum(self) -> complex:
        total = 0j
        sign = self._sign()
        while True:
            total += sign * self._product()
            if self._peek() not in ("+", "-"):
                return total
            sign = self._sign()

    def _sign(self) -> int:
        if self._peek() in ("+", "-"):
            return -1 if self._next() == "-" else 1
        return 1

    def _product(self) -> complex:
        result = self._power()
        slashed = False
        while token := self._peek():
            if token in (r"\cdot", r"\times", "*"):
                self._next()
                result *= self._sign() * self._power()
            elif token == "/":
                self._next()
                result /= self._power()
                slashed = True
            elif self._starts_factor(token):
                if slashed or _NUMBER.match(token):  # 1/2x and 3 4 can be read in two ways
                    raise _Unreadable
                result *= self._power()
            else:
                return result
        return result

    def _power(self) -> complex:
        number = _NUMBER.match(self._peek()) is not None
        base = self._atom()
        if number and self._peek() in (r"\frac", r"\dfrac", r"\tfrac") and base.real.is_integer():
            return self._mixed(base)
        raised = self._peek() == "^"
        if raised:
            self._next()
            base = _raised(base, self._argument())
        if self._peek() == "!":
            self._next()
            if raised or self._peek() == "!" or base.imag or base.real < 0 or not base.real.is_integer() or base.real > 170:
                raise _Unreadable
            base = complex(math.factorial(int(base.real)))
        if self._peek() in ("^", "_"):
            raise _Unreadable
        return base

    def _mixed(self, whole: complex) -> complex:
        """6 3/4 is a sum where the fraction is one of two numbers; 6 times a fraction with names in it."""
        start = self._at + 1
        part = self._atom()
        if all(_NUMBER.match(token) or token in "{}" for token in self._tokens[start : self._at]):
            if not 0 < part.real < 1:
                raise _Unreadable
            return whole + part
        return whole * part

    def _atom(self) -> complex:
        token = self._next()
        if _NUMBER.match(token):
            return complex(float(re.sub(r"[^\d.eE+-]", "", token)))
        if closing := {"(": ")", "{": "}", "[": "]"}.get(token):
            inside = self.sum()
            self._take(closing)
            return inside
        if token in (r"\frac", r"\dfrac", r"\tfrac", r"\cfrac"):
            return self._argument() / self._argument()
        if token == r"\sqrt":
            return self._root()
        if token == r"\pi":
            return complex(math.pi)
        if token in ("e", "i"):
            return complex(math.e) if token == "e" else 1j
        if token[1:] in _FUNCTIONS and token[0] == "\\":
            return self._function(_FUNCTIONS[token[1:]])
        if _GREEK.fullmatch(token) or (len(token) == 1 and token.isascii() and token.isalpha()):
            return self._name(token)
        raise _Unreadable

    def _root(self) -> complex:
        degree = 2 + 0j
        if self._peek() == "[":
            self._next()
            degree = self.sum()
            self._take("]")
        inside = self._argument()
        if degree == 2:
            return cmath.sqrt(inside)
        if inside.imag == 0 and inside.real < 0 and degree.real % 2 == 1 and degree.imag == 0:
            return complex(-((-inside.real) ** (1 / degree.real)))
        return _raised(inside, 1 / degree)

    def _function(self, function: Callable[[complex], complex]) -> complex:
        power = 1 + 0j
        if self._peek() == "^":
            self._next()
            power = self._argument()
            if power.imag or power.real < 1:  # sin^{-1} is read in two ways
                raise _Unreadable
        bracketed = self._peek() in ("(", "{", r"\frac")
        result = function(self._atom())
        if not bracketed and (self._starts_factor(self._peek()) or self._peek() == "^"):
            raise _Unreadable
        return _raised(result, power)

    def _name(self, token: str) -> complex:
        name = token
        if self._peek() == "_":
            self._next()
            name += "_" + "".join(self._group())
        seed = f"{name} {self._point}".encode("utf-8", "surrogatepass")  # half a character is a name, too
        return complex(random.Random(seed).uniform(0.3, 2.7))

    def _group(self) -> list[str]:
        """Return the tokens of one argument, braces not among them."""
        if self._peek() != "{":
            return [self._next()]
        start = self._at
        depth = 0
        while True:
            depth += {"{": 1, "}": -1}.get(self._next(), 0)
            if not depth:
                return self._tokens[start + 1 : self._at - 1]

    def _argument(self) -> complex:
        r"""Return the value of {…}, or of one digit, letter or command, as TeX takes it: \frac12 is a half, 2^10 is not read."""
        token = self._peek()
        if token.isdigit() and len(token) > 1:
            self._tokens[self._at : self._at + 1] = [token[0], token[1:]]
            return complex(int(self._next()))
        if token in ("(", "[", "+", "-"):
            raise _Unreadable
        return self._atom()

    @staticmethod
    def _starts_factor(token: str) -> bool:
        return bool(token) and (token in "({[" or token[0] == "\\" or token[0].isalnum() or token[0] == ".")

    def _take(self, wanted: str) -> None:
        if self._next() != wanted:
            raise _Unreadable

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise _Unreadable
        self._at += 1
        return token


def _raised(base: complex, exponent: complex) -> complex:
    if base.imag == 0 and base.real < 0 and (exponent.imag or not exponent.real.is_integer()):
        raise _Unreadable  # the real root or the principal one
    return base**exponent
