"""The tokens of a formula, taken one after the other."""

from collections.abc import Sequence

from .formula import Unreadable
from .symbols import CONSTANTS
from .tokens import Kind, Token


class Cursor:
    """A place in a row of tokens."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._index = 0

    @property
    def here(self) -> Token | None:
        """The token at this place; None behind the last one."""
        return self._tokens[self._index] if self._index < len(self._tokens) else None

    def is_at(self, *signs: str) -> bool:
        """Return whether one of these signs stands here."""
        return self.here is not None and self.here.kind is Kind.SIGN and self.here.text in signs

    def take(self, *signs: str) -> bool:
        """Go on behind one of these signs, and return whether it stood here."""
        if self.is_at(*signs):
            self._index += 1
            return True
        return False

    def need(self, sign: str) -> None:
        """Go on behind this sign. Raises Unreadable where another token stands here."""
        if not self.take(sign):
            raise Unreadable

    def next(self) -> Token:
        """Return the token that stands here and go on behind it. Raises Unreadable behind the last one."""
        token = self.here
        if token is None:
            raise Unreadable
        self._index += 1
        return token

    def skip(self, count: int) -> None:
        """Go on behind this many tokens."""
        self._index += count

    def ahead(self, count: int) -> Sequence[Token]:
        """Return the next tokens: at most this many."""
        return self._tokens[self._index : self._index + count]

    def take_all(self, *texts: str) -> bool:
        """Go on behind these tokens, and return whether they stood here in this order."""
        if tuple(token.text for token in self.ahead(len(texts))) != texts:
            return False
        self._index += len(texts)
        return True

    def split(self, token: Token, length: int) -> None:
        """Replace the token here by two: its first characters, and the rest."""
        kind = Kind.NUMBER if token.kind is Kind.NUMBER else Kind.SYMBOL
        first, rest = token.text[:length], token.text[length:]
        rest_kind = kind if kind is Kind.NUMBER or len(rest) == 1 else Kind.WORD
        pieces = [Token(_kind(first, kind), first, token.spaced), Token(_kind(rest, rest_kind), rest)]
        self._tokens = [*self._tokens[: self._index], *pieces, *self._tokens[self._index + 1 :]]


def _kind(text: str, kind: Kind) -> Kind:
    return Kind.CONSTANT if text in CONSTANTS else kind
