"""Callbacks that long work takes, and their defaults, which do nothing."""

from collections.abc import Callable
from dataclasses import dataclass

CheckStop = Callable[[], None]
"""Called often; raises where the work must stop."""
Warn = Callable[[str], None]
"""Takes one line that a person should read."""


class Note(str):
    """A line for a `Warn` that tells what was chosen or done: nothing is wrong."""

    __slots__ = ()


OnProgress = Callable[[int], None]
"""Takes how much is done so far; the first call says what was done before."""


@dataclass(frozen=True, slots=True)
class Written:
    """How much of some answers is there."""

    answers: int = 0
    """Answers that are complete."""
    tokens: int = 0
    """Tokens written for them, and for unfinished answers where the engine sees these."""
    stored: int = 0
    """Answers among the complete ones that were there before; they cost no tokens."""

    def __add__(self, other: "Written") -> "Written":
        return Written(self.answers + other.answers, self.tokens + other.tokens, self.stored + other.stored)


OnWritten = Callable[[Written], None]
"""Called often while answers are written, with all that a call has written so far."""
OnText = Callable[[str], None]
"""Takes the text of one answer as far as it is written, all of it each time."""
Answering = Callable[[str, int], OnWritten]
"""Takes what is written and how many answers it will be, before they are written; returns what takes how much is there."""


def quiet(_: str) -> None:
    """Ignore a warning."""


def once(warn: Warn) -> Warn:
    """Return what passes each text on to `warn` the first time, for several things that may say the same.

    >>> said = once(print)
    >>> said("a"), said("a")
    a
    (None, None)
    """
    told: set[str] = set()

    def pass_on(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(text)

    return pass_on


def never_stop() -> None:
    """Do nothing: the work goes on."""


def untold(_: Written) -> None:
    """Ignore how much is written."""


def unwatched(_: str, __: int) -> OnWritten:
    """Show nothing of the answers that are written."""
    return untold
