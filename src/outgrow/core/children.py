"""Child processes that end with their parent, however it ends, and that leave signals to it.

A child holds the reading end of a pipe into which nothing is ever written. When the parent ends, also by kill −9, the kernel closes
the other end and sends the child SIGIO, whose default action ends a process whatever it computes. A parent-death signal would not
do: it follows the thread that started the child.
"""

import fcntl
import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

_PIPE = "OUTGROW_PARENT_PIPE"
"""Environment variable: the number of the pipe's reading end in the child."""
_LEFT_TO_THE_PARENT = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

SERVER_OF = "OUTGROW_FORK_SERVER_OF"
"""Environment variable: process id of the one that starts a fork server, which may be gone before the server can look for it."""


class Child:
    """A process of this Python that runs a program, which calls `end_with_parent` first."""

    def __init__(self, program: Path) -> None:
        """Start it. Signals that ask a run to stop do not reach it, also where they are sent to a group or by a service manager:
        the run answers them, and ends it.
        """
        reading, self._parent_end = os.pipe()
        try:
            with signals_blocked():  # a child inherits that
                self._process = subprocess.Popen(
                    [sys.executable, "-P", str(program)],
                    env={**os.environ, "PYTHONHASHSEED": "0", _PIPE: str(reading)},  # SymPy's ways depend on the seed
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    bufsize=0,
                    start_new_session=True,
                    pass_fds=(reading,),
                )
        except BaseException:
            os.close(self._parent_end)
            raise
        finally:
            os.close(reading)
        assert self._process.stdin is not None and self._process.stdout is not None
        self.requests: IO[bytes] = self._process.stdin
        self.replies: IO[bytes] = self._process.stdout
        """Unbuffered: what is read here is not in `lines`."""
        self.lines = io.BufferedReader(cast(io.RawIOBase, self._process.stdout))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self.requests.close()
        self.lines.close()  # and replies with it
        os.close(self._parent_end)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block the signals that ask a run to stop; they arrive at the end of the block. Processes started inside never see them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _LEFT_TO_THE_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock_signals() -> None:
    """Let the signals that ask a run to stop reach this process again, which was started under `signals_blocked`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _LEFT_TO_THE_PARENT)


def end_with_parent() -> None:
    """End this process as soon as the one that started it as a `Child` has ended. For the start of the child's program."""
    pipe = int(os.environ.pop(_PIPE))
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([pipe], [], [], 0)[0]:  # the parent had ended before
        os._exit(1)
