r"""A formula as a tree, from tokens. A reader of the grammar that answers are written in; it evaluates nothing.

Multiplication may go without a sign, as in 2\pi r and (x+1)(x-2). A function without parentheses takes the product behind it:
\sin 2x \cos x is sin(2x) cos(x). A quotient written with / goes from left to right: 1/2x is (1/2) x. f(x) is read as a product,
which is the same for both sides of a comparison.
"""

from collections.abc import Sequence
from fractions import Fraction

from .formula import DEEPEST, Apply, Node, Number, Symbol, Unreadable, decimal, is_proper, times
from .symbols import CONSTANTS, DECORATIONS, SHAPES
from .tokens import Kind, Style, Token, written

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
    reader = _Reader(tokens)
    node = reader.group()
    if reader.here is not None:
        raise Unreadable
    return node


class _Reader:
    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._index = 0
        self._depth = 0
        self._bars = 0

    @property
    def here(self) -> Token | None:
        return self._tokens[self._index] if self._index < len(self._tokens) else None

    def _is(self, *texts: str) -> bool:
        return self.here is not None and self.here.kind is Kind.SIGN and self.here.text in texts

    def _take(self, *texts: str) -> bool:
        if self._is(*texts):
            self._index += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise Unreadable

    def _next(self) -> Token:
        token = self.here
        if token is None:
            raise Unreadable
        self._index += 1
        return token

    def sum(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unreadable
        terms = [self._signed()]
        while self._is("+", "-"):
            self._take("+")
            terms.append(self._signed())
        self._depth -= 1
        return terms[0] if len(terms) == 1 else Apply("+", tuple(terms))

    def group(self) -> Node:
        """Return what stands in braces: a sum, or two with \\choose or \\over between them."""
        node = self.sum()
        if self._take("choose"):
            return Apply("binom", (node, self.sum()))
        return Apply("/", (node, self.sum())) if self._take("over") else node

    def _signed(self) -> Node:
        if self._take("-"):
            if self._is("+", "-"):
                raise Unreadable
            return Apply("neg", (self._product(),))
        if self._take("+") and self._is("+", "-"):
            raise Unreadable
        return self._product()

    def _product(self) -> Node:
        product = self._factor()
        ratio = False
        while True:
            if self._take("*"):
                product = times(product, self._maybe_signed())
            elif self._is("/", ":"):
                if ratio:
                    raise Unreadable  # 1:2:3 is no quotient
                ratio = self._next().text == ":"
                product = Apply("/", (product, self._maybe_signed()))
            elif self._starts_factor():
                product = self._followed(product)
            else:
                return product

    def _maybe_signed(self) -> Node:
        if self._take("-"):
            return Apply("neg", (self._factor(),))
        self._take("+")
        return self._factor()

    def _followed(self, before: Node) -> Node:
        """Return the product with a factor that follows without a sign, or the mixed number 3 1/2.

        A number may not follow a number: 7 7 is not 49.
        """
        here = self.here
        factor = self._factor()
        if here is None or not isinstance(before, Number):
            if here is not None and here.kind is Kind.NUMBER and isinstance(before, Symbol):
                raise Unreadable
            return times(before, factor)
        if here.kind is Kind.NUMBER:
            factor = Apply("/", (factor, self._factor())) if here.spaced and self._take("/") else factor
            if not is_proper(factor):
                raise Unreadable
            return Apply("mixed", (before, factor))
        mixed = here.text == "frac" and is_proper(factor) and before.digits == 0 and before.value.denominator == 1
        return Apply("mixed", (before, factor)) if mixed else times(before, factor)

    def _starts_factor(self) -> bool:
        token = self.here
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
            if self._take("!"):
                base = Apply("!", (base,))
            elif self._take("deg"):
                base = Apply("deg", (base,))
            elif self._take("%"):
                base = Apply("%", (base,))
            elif self._take("^"):
                base = self._powered(base)
            else:
                return base

    def _powered(self, base: Node) -> Node:
        if isinstance(base, Symbol) and (self._take("'") or (self._is("{") and self._ahead(1) == "'" and self._primes())):
            return self._symbol(base.name + "'")
        if self._take("deg"):
            return Apply("deg", (base,))
        if self._is("{") and self._index + 2 < len(self._tokens) and self._tokens[self._index + 1].text == "deg":
            self._index += 2
            self._need("}")
            return Apply("deg", (base,))
        return Apply("^", (base, self._exponent()))

    def _ahead(self, by: int) -> str:
        return self._tokens[self._index + by].sign if self._index + by < len(self._tokens) else ""

    def _primes(self) -> bool:
        """Take the group that holds a prime: y^{\\prime}."""
        if self._ahead(2) != "}":
            return False
        self._index += 3
        return True

    def _exponent(self) -> Node:
        if self._take("-"):
            return Apply("neg", (self._argument(),))
        exponent = self._argument()
        if self._is("^"):
            raise Unreadable  # TeX refuses x^2^3 as well
        return exponent

    def _argument(self) -> Node:
        """Return what a command or an exponent takes: a group in braces, or one token; one digit of a number, as TeX does."""
        if self._take("{"):
            node = self.sum()
            self._need("}")
            return node
        token = self.here
        if token is None:
            raise Unreadable
        if token.kind is Kind.WORD and len(token.text) > 1 and token.style is Style.PLAIN:
            self._split(token, 1)
        return self._base()

    def _digit(self) -> Node:
        """Return the argument of \\frac or \\sqrt: of \\frac12 the 1."""
        token = self.here
        if token is not None and token.kind is Kind.NUMBER and len(token.text) > 1 and token.text.isdigit():
            self._split(token, 1)
        return self._argument()

    def _split(self, token: Token, length: int) -> None:
        kind = Kind.NUMBER if token.kind is Kind.NUMBER else Kind.SYMBOL
        first, rest = token.text[:length], token.text[length:]
        rest_kind = kind if kind is Kind.NUMBER or len(rest) == 1 else Kind.WORD
        pieces = [Token(_letter_kind(first, kind), first, token.spaced), Token(_letter_kind(rest, rest_kind), rest)]
        self._tokens = [*self._tokens[: self._index], *pieces, *self._tokens[self._index + 1 :]]

    def _base(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise Unreadable
        node = self._read_base(self._next())
        self._depth -= 1
        return node

    def _read_base(self, token: Token) -> Node:
        match token.kind:
            case Kind.NUMBER:
                return self._number(token)
            case Kind.CONSTANT:
                return Symbol(token.text)
            case Kind.SYMBOL:
                return self._symbol(token.text)
            case Kind.FUNCTION:
                return self._function(token.text)
            case Kind.WORD:
                return self._word(token)
        match token.text:
            case "{":
                node = self.group()
                self._need("}")
                return node
            case "(" | "[":
                node = self.sum()
                self._need(")" if token.text == "(" else "]")
                return node
            case "|":
                self._bars += 1
                node = self.sum()
                self._need("|")
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
                self._need("r" + token.text[1:])
                return Apply(token.text[1:], (node,))
            case "emptyset" | "infty":
                return Symbol(token.text)
        if token.text in DECORATIONS:
            return self._decorated(token.text)
        if token.text in SHAPES:
            return self._shape(token.text)
        raise Unreadable

    def _number(self, token: Token) -> Node:
        number = decimal(token.text)
        if token.text.endswith(".") and self.here is not None and self.here.kind is Kind.NUMBER:
            raise Unreadable
        if "." in token.text and self._is("overline", "dot", "bar") and token.text.lower().find("e") < 0:
            self._index += 1
            period = self._repeated_digits()
            places = len(token.text.partition(".")[2])
            return Number(number.value + Fraction(int(period), (10 ** len(period) - 1) * 10**places))
        if self._is("_"):
            raise Unreadable  # a number with a base is read elsewhere
        return number

    def _repeated_digits(self) -> str:
        self._take("{")
        digits = self._next()
        self._take("}")
        if digits.kind is not Kind.NUMBER or not digits.text.isdigit() or len(digits.text) > 60:
            raise Unreadable
        return digits.text

    def _symbol(self, name: str) -> Symbol:
        while self._is("_", "'"):
            if self._take("'"):
                name += "'"
            else:
                self._index += 1
                name += "_" + self._raw_group()
        return Symbol(name + self._whole_argument())

    def _whole_argument(self) -> str:
        """Return the number in parentheses behind a letter, as a part of its name: I(0) is a function's value, not I times 0."""
        ahead = self._tokens[self._index : self._index + 4]
        length = 4 if len(ahead) == 4 and ahead[1].sign == "-" else 3
        if self._ahead(0) != "(" or self._ahead(length - 1) != ")" or ahead[length - 2].kind is not Kind.NUMBER:
            return ""
        self._index += length
        return "".join(token.text for token in ahead[:length])

    def _raw_group(self) -> str:
        """Return a subscript as the text that names it."""
        if not self._take("{"):
            return self._next().text
        start, depth = self._index, 1
        while depth:
            token = self._next()
            if token.kind is Kind.SIGN:
                depth += {"{": 1, "}": -1}.get(token.text, 0)
        return written(list(self._tokens[start : self._index - 1])).replace(" ", "")

    def _word(self, token: Token) -> Node:
        if token.style is Style.PLAIN and len(token.text) <= _PRODUCT_LETTERS:
            letters: list[Node] = [Symbol(letter) for letter in token.text[:-1]]
            last = token.text[-1]
            # What follows belongs to the last letter: the square of xy^2 is that of y.
            letters.append(Symbol(last) if last in CONSTANTS else self._symbol(last))
            if self._take("^"):
                letters[-1] = self._powered(letters[-1])
            return Apply("*", tuple(letters))
        return self._symbol(token.text)

    def _decorated(self, decoration: str) -> Node:
        return self._symbol(f"{decoration} {self._raw_group()}")

    def _shape(self, shape: str) -> Node:
        """Return the angle or triangle that the letters behind it name."""
        while self.here is not None and (self.here.kind is Kind.SYMBOL or self.here.kind is Kind.WORD):
            name = self._next().text
            shape += " " + (self._symbol(name).name)
        return Symbol(shape)

    def _root(self) -> Node:
        degree: Node | None = None
        if self._take("["):
            degree = self.sum()
            self._need("]")
        radicand = self._base() if self._is("(") else self._digit()
        return Apply("root", (radicand, degree or Number(Fraction(2))))

    def _function(self, name: str) -> Node:
        name = _NAMES.get(name, name)
        base: Node | None = None
        power: Node | None = None
        while self._is("_", "^"):
            if self._take("^"):
                power = self._exponent()
            else:
                self._index += 1
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
        if self._is("(", "[", "{"):
            close = {"(": ")", "[": "]", "{": "}"}[self._next().text]
            arguments = [self.sum()]
            while name in _MANY_ARGUMENTS and self._take(","):
                arguments.append(self.sum())
            self._need(close)
            # \sin{x}y and \sin(x) y: the group is the whole argument, and a power behind it is of the group's value in
            # no convention that all share, so it is not read.
            if self._is("^"):
                raise Unreadable
            return tuple(arguments)
        if self._take("-"):
            return (Apply("neg", (self._implicit(),)),)
        return (self._implicit(),)

    def _implicit(self) -> Node:
        """Return the product that a function without parentheses takes: up to a sign, or the next function."""
        product = self._factor()
        while self._starts_factor() and self.here is not None and self.here.kind is not Kind.FUNCTION and not self._is("(", "["):
            product = self._followed(product)
        return product


def _letter_kind(text: str, kind: Kind) -> Kind:
    return Kind.CONSTANT if text in CONSTANTS else kind
