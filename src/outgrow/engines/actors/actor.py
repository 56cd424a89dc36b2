"""One actor as the run's process sees it: its name, how long its call takes, and the last thing that it has put out."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..work import Work
from .worker import Birth

_ABOUT_RAY = (":actor_name:", ":job_id:", ":task_name:")  # lines that Ray writes into a process's output
_TAIL = 2**14  # bytes
_LONGEST = 200  # characters of a line that is shown


class Actor:
    """A handle on an actor, and the call that it is busy with, if any."""

    def __init__(self, number: int, handle: Any) -> None:
        """number: from 1. handle: Ray's."""
        self.number, self._handle = number, handle
        self.birth: Birth | None = None
        self.lost = False
        self._work = Work("", 0, 0.0)  # since it was asked last
        self.began = time.monotonic()

    @property
    def name(self) -> str:
        """What messages call it."""
        if self.birth is None:
            return f"actor {self.number}"
        return f"actor {self.number} (process {self.birth.process} on {self.birth.host})"

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of its worker, and return what Ray promises its result with. Its clock starts."""
        self.began = time.monotonic()
        return getattr(self._handle, method).remote(*arguments)

    def aside(self, method: str, *arguments: Any) -> Any:
        """Call a method of its worker next to the call that goes on."""
        return getattr(self._handle, method).options(concurrency_group="aside").remote(*arguments)

    @property
    def seconds(self) -> float:
        """Seconds since its call began."""
        return time.monotonic() - self.began

    def wrote(self, tokens: int, version: int) -> None:
        """Count what its call, which is over now, has written."""
        self._work = Work("", self._work.tokens + tokens, self._work.seconds + self.seconds, version)

    def work_done(self) -> Work:
        """Return what it has written since this was asked last."""
        work, self._work = self._work, Work("", 0, 0.0, self._work.version)
        return replace(work, name=self.name, lost=self.lost)

    def kill(self) -> None:
        """End its process."""
        import ray

        with suppress(Exception):  # it may be gone already
            ray.kill(self._handle)

    def last_words(self) -> str:
        """Return the last line of its output, in quotes, or why there is none, as the end of a message."""
        if self.birth is None:
            return "its process printed nothing"
        files = [Path(output) for output in self.birth.outputs]
        if not any(file.exists() for file in files):
            return "its output is on its machine"
        lines = [(file.stat().st_mtime, line) for file in files if file.exists() and (line := _last_line(file))]
        return f'its last line: "{max(lines)[1]}"' if lines else "its process printed nothing"


def _last_line(file: Path) -> str:
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - _TAIL))
        text = stream.read().decode(errors="replace")
    lines = ["".join(filter(str.isprintable, line)).strip() for line in text.splitlines() if not line.startswith(_ABOUT_RAY)]
    return next((line[:_LONGEST] for line in reversed(lines) if line), "")
