"""When the live pages look at files: what shows that a file changed, and how long they wait before they look again."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Stamp = tuple[int, int, int]
"""Time, size and number of a file, which change when it is written again."""

_LONGEST = 10.0  # seconds


def stamp_of(path: Path | str) -> Stamp | None:
    """Return the stamp of a file, or of what stands in its place, such as a pipe; None where it does not exist."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class Pause:
    """Keeps what a look at the files costs to a share of one core, however many pages are open.

    share: after a look that took 20 ms, a share of 0.02 is a pause of 1 s. A share of 1 is no pause.
    """

    def __init__(self, share: float) -> None:
        self._share, self._until = share, 0.0

    def over(self) -> bool:
        """Return whether it is time to look again."""
        return time.monotonic() >= self._until

    @contextmanager
    def look(self) -> Iterator[None]:
        """Look at the files inside."""
        began = time.monotonic()
        yield
        now = time.monotonic()
        self._until = now + min(_LONGEST, (now - began) * (1 / self._share - 1))
