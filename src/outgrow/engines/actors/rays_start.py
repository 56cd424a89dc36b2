"""Ray's start in other ways than its own, none of which is one of its settings.

A stop is heard meanwhile, and its servers hear none; it waits longer for them, and prints nothing.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

from ...core.callbacks import CheckStop
from ...core.children import signals_blocked

SLOWEST_START_S = 300


@contextmanager
def in_other_ways(check_stop: CheckStop, servers: list[Popen[bytes]]) -> Iterator[None]:
    """Let a Ray that starts inside do so in these ways. check_stop: may raise. servers: gets each process that Ray starts."""
    from ray._private import services, utils, worker

    asked, start, connected = services.get_node, services.start_ray_process, worker.connect

    def get_node(*about: Any) -> Any:
        end = time.monotonic() + SLOWEST_START_S
        while True:
            check_stop()
            try:
                return asked(*about)
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                if ended := next((name for server in servers if (name := _ended(server))), ""):
                    raise RuntimeError(f"its {ended} has ended") from None
                time.sleep(0.1)

    def start_ray_process(*arguments: Any, **named: Any) -> Any:
        check_stop()
        with signals_blocked():
            info = start(*arguments, **named)
            info.process.terminate = info.process.kill  # it would not hear SIGTERM, and Ray would wait a second for each server
            servers.append(info.process)
        return info

    def connect(*arguments: Any, **named: Any) -> Any:
        check_stop()
        with signals_blocked(), _handlers_kept():
            return connected(*arguments, **named)

    with _replaced(
        (services, "get_node", get_node),
        (services, "start_ray_process", start_ray_process),
        (utils, "set_sigterm_handler", lambda _: None),  # a run has its own
        (worker, "connect", connect),
        (worker, "listen_error_messages", lambda *_: None),
    ):
        yield


def _ended(server: Popen[bytes]) -> str:
    """Return the name of a server without which Ray never starts, where it has ended; empty otherwise."""
    assert isinstance(server.args, list)
    name = Path(str(server.args[0])).name
    return name if name in ("raylet", "gcs_server") and server.poll() is not None else ""


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Set this process's handlers again at the end: Ray's C++ puts one of its own before them, which Python does not see and which
    ends the process.
    """
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)} if main else {}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:  # one that Python has set
                signal.signal(number, handler)


@contextmanager
def _replaced(*new: tuple[Any, str, Any]) -> Iterator[None]:
    """Give these modules other functions of these names inside."""
    before = [(module, name, getattr(module, name)) for module, name, _ in new]
    for module, name, value in new:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
