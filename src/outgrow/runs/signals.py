"""Ending a run on a signal: the first asks it to stop at the next safe place, a second Ctrl-C stops it at once."""

import signal
import threading
from types import FrameType, TracebackType


class StopRequested(Exception):
    """Raised by `Interrupt.check_stop` once a signal has come. Exit code 128 + the signal's number, as a shell would say."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.exit_code = 128 + number


class Interrupt:
    """Context manager that turns SIGTERM, SIGHUP (a closed terminal) and Ctrl-C into a request, answered by `check_stop`.

    A second Ctrl-C stops at once. A further SIGTERM or SIGHUP does not: a service manager sends both, and a lab asks the workers
    that it has reached once. A request that came too late to be answered is handed on to an Interrupt around this one.
    """

    _SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self) -> None:
        self.requested: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interrupt":
        # Python takes signals in the main thread only; a run in another thread leaves them to it.
        for number in self._SIGNALS if threading.current_thread() is threading.main_thread() else ():
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                self._before[number] = signal.signal(number, self._warn)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        outer = getattr(self._before.get(self.requested or 0), "__self__", None)
        if kind is None and self.requested is not None and isinstance(outer, Interrupt):
            outer.requested = outer.requested or self.requested

    def _warn(self, number: int, frame: FrameType | None) -> None:
        if self.requested is None:
            self.requested = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt

    def check_stop(self) -> None:
        """Raise StopRequested if a signal has come."""
        if self.requested is not None:
            raise StopRequested(self.requested)
