"""Callbacks that long work takes, and their defaults, which do nothing."""

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
    """Do nothing: the work goes on."""
