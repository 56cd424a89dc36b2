"""Ending a run on a signal: the first asks it to stop at the next safe place, the second stops it at once."""

import signal
from types import FrameType, TracebackType


class StopRequested(Exception):
    """Raised by `Interrupt.poll` once a signal has come. str() names the signal."""


class Interrupt:
    """Context manager that turns SIGTERM and Ctrl-C into a request, answered where `poll` is called."""

    _SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.requested: str | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interrupt":
        for number in self._SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            raise KeyboardInterrupt
        self.requested = signal.Signals(number).name

    def poll(self) -> None:
        """Raise StopRequested if a signal has come."""
        if self.requested is not None:
            raise StopRequested(self.requested)
