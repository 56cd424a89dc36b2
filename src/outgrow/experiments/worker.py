"""A worker process of a lab: how it is started, stopped by a signal, and ended with its parent."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, resource_tracker
from multiprocessing.forkserver import ensure_running
from types import FrameType

from ..core.children import SERVER_OF, signals_blocked, unblock_signals
from ..core.errors import OutgrowError
from ..core.memory import give_back_memory
from ..runs.signals import StopRequested

# Whether this worker does a task, and whether a signal has arrived, so that it starts no other.
_busy, _stopped = False, False
_SENDING_S = 1.0  # until the result of a stopped task has been sent


def forkserver() -> multiprocessing.context.BaseContext:
    """Return how workers are started: by a server that holds the imports. In the parent."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["outgrow.core.fork_server", "outgrow.experiments.kinds", "transformers.models.llama.modeling_llama"]
    )
    resource_tracker.ensure_running()  # the server starts it otherwise, and that unblocks signals
    os.environ[SERVER_OF] = str(os.getpid())
    with signals_blocked():  # the server, which starts the workers, is not ended by a signal to all processes
        ensure_running()
    return context


def start_worker() -> None:
    """Prepare a worker: Ctrl-C reaches only the parent, which sends SIGTERM; a worker between two trials then starts no other.

    A worker ends with its parent, also where that is killed: it would hold the locks of runs that the next call continues.
    """
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    unblock_signals()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(number: int, frame: FrameType | None) -> None:
    global _stopped
    _stopped = True
    if not _busy:
        os._exit(0)  # a pool of which a worker was killed waits for the others


@contextmanager
def at_work() -> Iterator[None]:
    """Do a worker's task inside. Raises OutgrowError after a signal, and ends the worker once that error is on its way."""
    global _busy, _stopped
    if _stopped:
        raise OutgrowError("not started")
    _busy = True
    try:
        yield
    except StopRequested as stop:  # it cannot be pickled
        _stopped = True
        raise OutgrowError(f"stopped by {stop}; progress is saved") from None
    finally:
        _busy = False
        give_back_memory()  # a worker may have nothing more to do, and other trials need it
        if _stopped:
            last = threading.Timer(_SENDING_S, os._exit, [0])
            last.daemon = True
            last.start()
