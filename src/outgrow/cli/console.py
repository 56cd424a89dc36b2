"""The two consoles that every command prints to."""

import unicodedata
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    pass


console = Console()


errors = Console(stderr=True)


def warn(text: str) -> None:
    """Something a person should read."""
    errors.print(text, markup=False)


def strip_control_chars(text: str) -> str:
    """A model's text without what a terminal would obey."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")
