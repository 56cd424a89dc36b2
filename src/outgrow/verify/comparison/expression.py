r"""A formula as a tree, from tokens. A reader of the grammar that answers are written in; it evaluates nothing.

Multiplication may go without a sign, as in 2\pi r and (x+1)(x-2). A function without parentheses takes the product behind it:
\sin 2x \cos x is sin(2x) cos(x). A quotient written with / goes from left to right: 1/2x is (1/2) x. f(x) is read as a product,
which is the same for both sides of a comparison.
"""

from collections.abc import Sequence
from fractions import Fraction

from .cursor import Cursor
from .digits import read_number
from .formula import DEEPEST, Apply, Node, Number, Symbol, Unreadable, is_proper, times
from .symbols import CONSTANTS, DECORATIONS, SHAPES
from .tokens import Kind, Style, Token
from .variable import read_group, read_name, read_shape

_PRODUCT_LETTERS = 4
"""Letters of a plain word that is read as the product of its letters. A longer one is one name."""
_INVERSE = {name: "arc" + name for name in ("sin", "cos", "tan", "cot", "sinh", "cosh", "tanh")}
_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log10", "ln": "log"}
_MANY_ARGUMENTS = {"max", "min", "gcd", "lcm"}


def read_expression(tokens: Sequence[Token]) -> Node:
    r"""Return the tree of a formula. Raises Unreadable where the tokens are none, or a part of them is not understood.

    >>> from .tokens import tokens_of
    >>> read_expression(tokens_of(r"\frac{x}{2}"))
    Apply(operation='/', arguments=(Symbol(name='x'), Number(value=Fraction(2, 1), digits=0, unit=Fraction(0, 1))))
    """
    return _Reader(tokens).whole()


class _Reader:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._cursor = Cursor(tokens)
        self._depth = 0
        self._bars = 0

    def whole(self) -> Node:
        """Return the tree of all tokens."""
        node = self.group()
        if self._cursor.here is not None:
            raise Unreadable
        return node

    def sum(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unreadable
        terms = [self._signed()]
        while self._cursor.is_at("+", "-"):
            self._cursor.take("+")
            terms.append(self._signed())
        self._depth -= 1
        return terms[0] if len(terms) == 1 else Apply("+", tuple(terms))

    def group(self) -> Node:
        """Return what stands in braces: a sum, or two with \\choose or \\over between them."""
        node = self.sum()
        if self._cursor.take("choose"):
            return Apply("binom", (node, self.sum()))
        return Apply("/", (node, self.sum())) if self._cursor.take("over") else node

    def _signed(self) -> Node:
        if self._cursor.take("-"):
            if self._cursor.is_at("+", "-"):
                raise Unreadable
            return Apply("neg", (self._product(),))
        if self._cursor.take("+") and self._cursor.is_at("+", "-"):
            raise Unreadable
        return self._product()

    def _product(self) -> Node:
        product = self._factor()
        ratio = False
        while True:
            if self._cursor.take("*"):
                product = times(product, self._maybe_signed())
            elif self._cursor.is_at("/", ":"):
                if ratio:
                    raise Unreadable  # 1:2:3 is no quotient
                ratio = self._cursor.next().text == ":"
                product = Apply("/", (product, self._maybe_signed()))
            elif self._starts_factor():
                product = self._followed(product)
            else:
                return product

    def _maybe_signed(self) -> Node:
        if self._cursor.take("-"):
            return Apply("neg", (self._factor(),))
        self._cursor.take("+")
        return self._factor()

    def _followed(self, before: Node) -> Node:
        """Return the product with a factor that follows without a sign, or the mixed number 3 1/2.

        A number may not follow a number: 7 7 is not 49.
        """
        here = self._cursor.here
        factor = self._factor()
        if here is None or not isinstance(before, Number):
            if here is not None and here.kind is Kind.NUMBER and isinstance(before, Symbol):
                raise Unreadable
            return times(before, factor)
        if here.kind is Kind.NUMBER:
            factor = Apply("/", (factor, self._factor())) if here.spaced and self._cursor.take("/") else factor
            if not is_proper(factor):
                raise Unreadable
            return Apply("mixed", (before, factor))
        mixed = here.text == "frac" and is_proper(factor) and before.digits == 0 and before.value.denominator == 1
        return Apply("mixed", (before, factor)) if mixed else times(before, factor)

    def _starts_factor(self) -> bool:
        token = self._cursor.here
        if token is None:
            return False
        if token.kind is not Kind.SIGN:
            return True
        if token.text == "|":
            return self._bars == 0
        return token.text in ("(", "[", "{", "frac", "sqrt", "binom", "lfloor", "lceil", "infty") or token.text in (
            DECORATIONS | SHAPES
        )

    def _factor(self) -> Node:
        base = self._base()
        while True:
            if self._cursor.take("!"):
                base = Apply("!", (base,))
            elif self._cursor.take("deg"):
                base = Apply("deg", (base,))
            elif self._cursor.take("%"):
                base = Apply("%", (base,))
            elif self._cursor.take("^"):
                base = self._powered(base)
            else:
                return base

    def _powered(self, base: Node) -> Node:
        if isinstance(base, Symbol) and (self._cursor.take("'") or self._cursor.take_all("{", "'", "}")):
            return read_name(self._cursor, base.name + "'")
        if self._cursor.take("deg") or self._cursor.take_all("{", "deg", "}"):
            return Apply("deg", (base,))
        return Apply("^", (base, self._exponent()))

    def _exponent(self) -> Node:
        if self._cursor.take("-"):
            return Apply("neg", (self._argument(),))
        exponent = self._argument()
        if self._cursor.is_at("^"):
            raise Unreadable  # TeX refuses x^2^3 as well
        return exponent

    def _argument(self) -> Node:
        """Return what a command or an exponent takes: a group in braces, or one token; one digit of a number, as TeX does."""
        if self._cursor.take("{"):
            node = self.sum()
            self._cursor.need("}")
            return node
        token = self._cursor.here
        if token is None:
            raise Unreadable
        if token.kind is Kind.WORD and len(token.text) > 1 and token.style is Style.PLAIN:
            self._cursor.split(token, 1)
        return self._base()

    def _digit(self) -> Node:
        """Return the argument of \\frac or \\sqrt: of \\frac12 the 1."""
        token = self._cursor.here
        if token is not None and token.kind is Kind.NUMBER and len(token.text) > 1 and token.text.isdigit():
            self._cursor.split(token, 1)
        return self._argument()

    def _base(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unreadable
        node = self._read_base(self._cursor.next())
        self._depth -= 1
        return node

    def _read_base(self, token: Token) -> Node:
        match token.kind:
            case Kind.NUMBER:
                return read_number(self._cursor, token)
            case Kind.CONSTANT:
                return Symbol(token.text)
            case Kind.SYMBOL:
                return read_name(self._cursor, token.text)
            case Kind.FUNCTION:
                return self._function(token.text)
            case Kind.WORD:
                return self._word(token)
        match token.text:
            case "{":
                node = self.group()
                self._cursor.need("}")
                return node
            case "(" | "[":
                node = self.sum()
                self._cursor.need(")" if token.text == "(" else "]")
                return node
            case "|":
                self._bars += 1
                node = self.sum()
                self._cursor.need("|")
                self._bars -= 1
                return Apply("abs", (node,))
            case "frac":
                return Apply("/", (self._digit(), self._digit()))
            case "sqrt":
                return self._root()
            case "binom":
                return Apply("binom", (self._digit(), self._digit()))
            case "lfloor" | "lceil":
                node = self.sum()
                self._cursor.need("r" + token.text[1:])
                return Apply(token.text[1:], (node,))
            case "emptyset" | "infty":
                return Symbol(token.text)
        if token.text in DECORATIONS:
            return read_name(self._cursor, f"{token.text} {read_group(self._cursor)}")
        if token.text in SHAPES:
            return read_shape(self._cursor, token.text)
        raise Unreadable

    def _word(self, token: Token) -> Node:
        if token.style is Style.PLAIN and len(token.text) <= _PRODUCT_LETTERS:
            letters: list[Node] = [Symbol(letter) for letter in token.text[:-1]]
            last = token.text[-1]
            # What follows belongs to the last letter: the square of xy^2 is that of y.
            letters.append(Symbol(last) if last in CONSTANTS else read_name(self._cursor, last))
            if self._cursor.take("^"):
                letters[-1] = self._powered(letters[-1])
            return Apply("*", tuple(letters))
        return read_name(self._cursor, token.text)

    def _root(self) -> Node:
        degree: Node | None = None
        if self._cursor.take("["):
            degree = self.sum()
            self._cursor.need("]")
        radicand = self._base() if self._cursor.is_at("(") else self._digit()
        return Apply("root", (radicand, degree or Number(Fraction(2))))

    def _function(self, name: str) -> Node:
        name = _NAMES.get(name, name)
        base: Node | None = None
        power: Node | None = None
        while self._cursor.is_at("_", "^"):
            if self._cursor.take("^"):
                power = self._exponent()
            else:
                self._cursor.skip(1)
                base = self._digit()
        if name in _INVERSE and power == Apply("neg", (Number(Fraction(1)),)):
            name, power = _INVERSE[name], None
        arguments = self._arguments(name)
        if name in ("log", "log10") and base is not None:
            value: Node = Apply("/", (Apply("log", arguments), Apply("log", (base,))))
        else:
            value = Apply("log10" if name == "log10" else name, arguments)
        return value if power is None else Apply("^", (value, power))

    def _arguments(self, name: str) -> tuple[Node, ...]:
        if self._cursor.is_at("(", "[", "{"):
            close = {"(": ")", "[": "]", "{": "}"}[self._cursor.next().text]
            arguments = [self.sum()]
            while name in _MANY_ARGUMENTS and self._cursor.take(","):
                arguments.append(self.sum())
            self._cursor.need(close)
            # \sin{x}y and \sin(x) y: the group is the whole argument, and a power behind it is of the group's value in
            # no convention that all share, so it is not read.
            if self._cursor.is_at("^"):
                raise Unreadable
            return tuple(arguments)
        if self._cursor.take("-"):
            return (Apply("neg", (self._implicit(),)),)
        return (self._implicit(),)

    def _implicit(self) -> Node:
        """Return the product that a function without parentheses takes: up to a sign, or the next function."""
        product = self._factor()
        while (
            self._starts_factor()
            and self._cursor.here is not None
            and self._cursor.here.kind is not Kind.FUNCTION
            and not self._cursor.is_at("(", "[")
        ):
            product = self._followed(product)
        return product
