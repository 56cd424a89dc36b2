"""Answers scored by reasoning-gym, in processes that are killed when they take too long.

A few characters (9**9**9**9) can keep a scorer busy for ever, or fill the memory, in C code that no exception reaches. So scorers
run in processes (`sandbox.scorer_process`) without a model and with bounded memory, which the pool kills and replaces.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO

from ..core.errors import OutgrowError

LIMIT_S = 2.0
_START_S = 120.0
_POLL_S = 0.5  # check_stop is called at least this often


@dataclass(frozen=True)
class Kind:
    """What a pool's processes do."""

    task: str
    """In words, for errors."""
    file: Path
    """The program of a process."""
    package: str
    """What the program cannot start without."""


GYM = Kind("score answers", Path(__file__).parents[1] / "sandbox" / "scorer_process.py", "reasoning-gym")

_REPLIES = {b"1": True, b"0": False}  # any other byte: it raised


class Pool:
    """Worker processes, started when there is something to compare and kept until `close`."""

    def __init__(self, kind: Kind = GYM) -> None:
        self._kind = kind
        self._size = min(os.cpu_count() or 1, 8)
        self._workers: list[_Worker] = []

    def compare(self, pairs: Sequence[tuple[str, str]], check_stop: Callable[[], None] = lambda: None) -> list[bool | None]:
        """Return for each (scorer, answer) whether it is right; None where the scoring was killed, crashed or raised.

        What check_stop raises ends all scoring. Raises OutgrowError where no worker can be started.
        """
        equal: list[bool | None] = [None] * len(pairs)
        waiting = deque(range(len(pairs)))
        try:
            while busy := self._employ(waiting, pairs):
                check_stop()
                until = min(worker.deadline for worker in busy) - time.monotonic()
                replied = wait([worker.replies.fileno() for worker in busy], timeout=max(0.0, min(until, _POLL_S)))
                for worker in busy:
                    assert worker.job is not None
                    reply = os.read(worker.replies.fileno(), 1) if worker.replies.fileno() in replied else None
                    if reply == b"r":
                        worker.starts_comparing()
                    elif reply:
                        equal[worker.job], worker.job = _REPLIES.get(reply), None
                    elif reply == b"" or time.monotonic() >= worker.deadline:
                        if not worker.ready:
                            kind = self._kind
                            raise OutgrowError(f"cannot {kind.task}: {kind.file} does not start; is {kind.package} installed?")
                        self._workers.remove(worker)
                        worker.kill()
        except BaseException:
            self.close()
            raise
        return equal

    def close(self) -> None:
        """End the workers. The pool may be used again."""
        while self._workers:
            self._workers.pop().kill()

    def _employ(self, waiting: deque[int], pairs: Sequence[tuple[str, str]]) -> list["_Worker"]:
        """Give every idle worker a pair, and start workers while pairs wait. Returns those that are busy."""
        self._workers = [worker for worker in self._workers if worker.job is not None or worker.alive]
        while waiting:
            worker = next((worker for worker in self._workers if worker.job is None), None)
            if worker is None:
                if len(self._workers) == self._size:
                    break
                self._workers.append(worker := _Worker(self._kind.file))
            job = waiting.popleft()
            worker.give(job, pairs[job])
        return [worker for worker in self._workers if worker.job is not None]


class _Worker:
    """One process, and what it is busy with. job: the pair it compares, or None."""

    def __init__(self, program: Path) -> None:
        # A session of its own, so that Ctrl-C in a terminal reaches the run and not its workers.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(program)],
            env={**os.environ, "PYTHONHASHSEED": "0"},  # SymPy's ways depend on it
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self.replies: IO[bytes] = self._process.stdout
        self.job: int | None = None
        self.deadline = 0.0
        self.ready = False

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def give(self, job: int, pair: tuple[str, str]) -> None:
        self.job = job
        self.deadline = time.monotonic() + _START_S
        with contextlib.suppress(BrokenPipeError):  # it has just died, which its replies will say
            self._requests.write(json.dumps(pair).encode() + b"\n")

    def starts_comparing(self) -> None:
        """Start the clock of this pair: the process is up and has loaded what the pair needs."""
        self.ready = True
        self.deadline = time.monotonic() + LIMIT_S

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self.replies.close()
