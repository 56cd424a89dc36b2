"""The two errors a person meets. Anything else that reaches the terminal is a bug and shows its traceback."""

from collections.abc import Sequence


class OutgrowError(Exception):
    """A failure while running. Its one line says what to do. Exit code 1."""

    exit_code = 1


class UsageError(OutgrowError):
    """A wrong argument, recipe or file. Its one line says what to change. Exit code 2."""

    exit_code = 2


class EndedByAlarm(OutgrowError):
    """The recipe says that a run ends here. It is saved, and goes on once the recipe is changed."""


class SpoiledError(OutgrowError):
    """A step is half done, so what is in memory must not be saved."""


class NotFiniteError(SpoiledError):
    """A figure of training is infinite or no number."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type where the message is empty.

    >>> first_line(ValueError("\\nno such file\\n  at line 3")), first_line(KeyError())
    ('no such file', 'KeyError')
    """
    return str(error).strip().partition("\n")[0] or type(error).__name__


DAMAGED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What values of a wrong kind raise, where a file may hold anything."""


def reason(error: BaseException) -> str:
    """Return why something failed, in one line, without the number and the path that an OSError repeats.

    >>> reason(OSError(21, "Is a directory", "metrics.jsonl"))
    'Is a directory'
    """
    return (isinstance(error, OSError) and error.strerror) or first_line(error)


def install_hint(extra: str) -> str:
    """Return the command that installs an extra of this package, and the one for a clone of its repository.

    >>> print(install_hint("lab"))
    pip install "outgrow[lab]" (in a clone: pip install ".[lab]")
    """
    return f'pip install "outgrow[{extra}]" (in a clone: pip install ".[{extra}]")'


def nearest(word: str, known: Sequence[str]) -> str:
    """Return a hint with the known word closest to `word`, or with all known words where no word is close.

    >>> nearest("lerning_rate", ["learning_rate", "steps"])
    " (did you mean 'learning_rate'?)"
    """
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else f" (known: {', '.join(sorted(known))})"
