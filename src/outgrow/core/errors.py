"""The two errors a person meets. Anything else that reaches the terminal is a bug and shows its traceback."""

from collections.abc import Sequence


class OutgrowError(Exception):
    """A failure while running, told in one line that says what to do. Exit code 1."""

    exit_code = 1


class UsageError(OutgrowError):
    """A wrong argument, recipe or file, told in one line that says what to change. Exit code 2."""

    exit_code = 2


class SpoiledError(OutgrowError):
    """What is in memory is not to be saved: a step is half done."""


class NotFiniteError(SpoiledError):
    """Training has left the finite numbers."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type where the message is empty.

    >>> first_line(ValueError("\\nno such file\\n  at line 3")), first_line(KeyError())
    ('no such file', 'KeyError')
    """
    return str(error).strip().partition("\n")[0] or type(error).__name__


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint naming the known word closest to `word`: " (did you mean 'lr'?)", or the known words where none is close.

    >>> nearest("lerning_rate", ["learning_rate", "steps"])
    " (did you mean 'learning_rate'?)"
    """
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else f" (known: {', '.join(sorted(known))})"
