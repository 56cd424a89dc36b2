"""Answers scored by reasoning-gym, in processes that are killed when they take too long.

A few characters (9**9**9**9) can keep a scorer busy for ever, or fill the memory, in C code that no exception reaches. So scorers
run in processes (`sandbox.scorer_process`) without a model and with bounded memory, which the pool kills and replaces.
"""

import contextlib
import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from ..core.callbacks import Warn, quiet
from ..core.children import Child
from ..core.errors import OutgrowError

LIMIT_S = 2.0
_START_S = 120.0
_POLL_S = 0.5  # check_stop is called at least this often
_KILLED_A_SCORER = 2  # scorings of one scorer that may be killed in one call; its other answers are not scored then
_KILLED_LEAST, _KILLED_SHARE = 16, 0.05  # scorings of all scorers: this number, or this share of the pairs if that is more


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

    def __init__(self, kind: Kind = GYM, warn: Warn = quiet) -> None:
        """warn: told the first time that answers are not scored, because too many scorings before them were killed."""
        self._kind, self._warn, self._warned = kind, warn, False
        self._size = min(os.cpu_count() or 1, 8)
        self._workers: list[_Worker] = []

    def compare(self, pairs: Sequence[tuple[str, str]], check_stop: Callable[[], None] = lambda: None) -> list[bool | None]:
        """Return for each (scorer, answer) whether it is right; None where the scoring was killed, crashed or raised.

        None, too, for what is left of a scorer after 2 killed scorings, and for all that is left after 16 of them, or after 5% of
        the pairs: each costs seconds, and a step of answers that hang would take an hour.

        What check_stop raises ends all scoring. Raises OutgrowError where no worker can be started.
        """
        equal: list[bool | None] = [None] * len(pairs)
        waiting = deque(range(len(pairs)))
        killed: Counter[str] = Counter()
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
                        killed[pairs[worker.job][0]] += 1
                        self._give_up(waiting, pairs, killed)
        except BaseException:
            self.close()
            raise
        return equal

    def _give_up(self, waiting: deque[int], pairs: Sequence[tuple[str, str]], killed: Counter[str]) -> None:
        """Drop the pairs that wait and are not scored any more."""
        enough = killed.total() >= max(_KILLED_LEAST, _KILLED_SHARE * len(pairs))
        left = [] if enough else [job for job in waiting if killed[pairs[job][0]] < _KILLED_A_SCORER]
        dropped = len(waiting) - len(left)
        waiting.clear()
        waiting.extend(left)
        if dropped and not self._warned:
            self._warned = True
            self._warn(
                f"{killed.total()} scorings were ended after {LIMIT_S:g} s, so {dropped:,} further answers were not scored: "
                "they count as failed (verifier failed). This is said once"
            )

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
        self._child = Child(program)
        self.replies = self._child.replies
        self.job: int | None = None
        self.deadline = 0.0
        self.ready = False

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.alive

    def give(self, job: int, pair: tuple[str, str]) -> None:
        self.job = job
        self.deadline = time.monotonic() + _START_S
        with contextlib.suppress(BrokenPipeError):  # it has just died, which its replies will say
            self._child.requests.write(json.dumps(pair).encode() + b"\n")

    def starts_comparing(self) -> None:
        """Start the clock of this pair: the process is up and has loaded what the pair needs."""
        self.ready = True
        self.deadline = time.monotonic() + LIMIT_S

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._child.kill()
