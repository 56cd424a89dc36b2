"""Callbacks that long work is given, and what stands in for them where nobody listens."""

from collections.abc import Callable

CheckStop = Callable[[], None]
"""Called often; raises where the work must stop."""
Warn = Callable[[str], None]
"""Takes one line that a person should read."""
OnProgress = Callable[[int], None]
"""Takes how much is done so far."""


def quiet(_: str) -> None:
    """Ignore a warning."""


def never_stop() -> None:
    """Let the work go on."""
