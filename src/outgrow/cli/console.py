"""The two consoles that every command prints to, and text that is safe to print."""

import unicodedata

from rich.console import Console

console = Console()
errors = Console(stderr=True)


def say(text: str) -> None:
    """Print a line as it is: no markup, no colours, no line breaks of our own, so that paths can be copied."""
    console.print(strip_control_chars(text), markup=False, highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print a warning to stderr."""
    errors.print(strip_control_chars(text), markup=False, highlight=False, soft_wrap=True)


def strip_control_chars(text: str) -> str:
    """Return a model's text without the control characters that a terminal would obey; line breaks and tabs stay."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")
