"""The two consoles that every command prints to, and text that is safe to print."""

import errno
import os
import unicodedata

from rich.console import Console


class _LastingConsole(Console):
    """A console whose terminal may be closed while a command works: from then on nothing is shown, and the work goes on."""

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError as error:
            if error.errno != errno.EIO:  # what a closed terminal gives
                raise
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, self.file.fileno())  # also for what Python writes at its end
            os.close(nothing)
            del self._buffer[:]


console = _LastingConsole(emoji=False)  # a text such as a:b:c stays as it is
errors = _LastingConsole(stderr=True, emoji=False)

_ORDER = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
"""Characters that show the text after them in another order than it has."""


def say(text: str) -> None:
    """Print a line as it is: no markup, no colours, no line breaks of our own, so that paths can be copied."""
    console.print(strip_control_chars(text), markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning to stderr."""
    errors.print(strip_control_chars(text), markup=False, highlight=False, soft_wrap=True)


def strip_control_chars(text: str) -> str:
    """Return a model's text without the control characters that a terminal would obey; line breaks and tabs stay."""
    return "".join(letter for letter in text if letter in "\n\t" or (unicodedata.category(letter) != "Cc" and letter not in _ORDER))
