"""The graders that `verify_peers.py` compares, each run in a process of its own, on one core and with a time limit.

As a program (`python peer_graders.py NAME`) it reads a JSON list of [known answer, output] pairs a line and writes a line for each:
{"said": [true, false or null, ...], "seconds": ...}. null: the grader raised, or said nothing.
"""

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

Pair = tuple[str, str]
Grade = Callable[[Sequence[Pair]], list[bool | None]]

_START_S = 120.0


def _outgrow() -> Grade:
    from outgrow.types import Verdict
    from outgrow.verify import Attempt, Verifier

    verifier = Verifier(["boxed"])
    said = {Verdict.VERIFIER_FAILED: None, Verdict.RIGHT: True}

    def grade(pairs: Sequence[Pair]) -> list[bool | None]:
        graded = verifier.grade([Attempt(output, answer) for answer, output in pairs])
        return [said.get(one.verdict, False) for one in graded]

    return grade


def _math_verify() -> Grade:
    from math_verify import parse, verify

    return _each(lambda answer, output: bool(verify(parse(f"${answer}$"), parse(output))))


def _trl() -> Grade:
    from trl.rewards import accuracy_reward

    def one(answer: str, output: str) -> bool | None:
        reward = accuracy_reward([[{"role": "assistant", "content": output}]], [f"${answer}$"])[0]
        return None if reward is None else bool(reward)

    return _each(one)


def _mathruler() -> Grade:
    from mathruler.grader import extract_boxed_content, grade_answer

    return _each(lambda answer, output: bool(grade_answer(extract_boxed_content(output), answer)))


def _each(one: Callable[[str, str], bool | None]) -> Grade:
    def grade(pairs: Sequence[Pair]) -> list[bool | None]:
        said: list[bool | None] = []
        for answer, output in pairs:
            try:
                said.append(one(answer, output))
            except Exception:
                said.append(None)
        return said

    return grade


@dataclass(frozen=True)
class Grader:
    """A grader that can be asked for by name."""

    make: Callable[[], Grade]
    package: str
    """What must be installed."""
    batch: int
    """Outputs that it gets at once; its time limit is that of each times this."""


GRADERS = {
    "outgrow": Grader(_outgrow, "outgrow", 256),
    "math-verify": Grader(_math_verify, "math-verify", 1),
    "TRL": Grader(_trl, "trl", 1),
    "mathruler": Grader(_mathruler, "mathruler", 1),
}


@dataclass(frozen=True)
class Said:
    """What a grader said of one output."""

    right: bool
    how: str
    """said; or why it counts as not right: timeout, nothing."""
    seconds: float


class GraderProcess:
    """One grader's process. It is killed and replaced where an answer takes too long, or where it dies."""

    def __init__(self, name: str, limit_s: float) -> None:
        self._name, self._limit_s = name, limit_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "GraderProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()

    def grade(self, pairs: Sequence[Pair]) -> list[Said]:
        """Return what it says of a batch. A batch that takes too long is put again, pair by pair."""
        reply = self._ask(pairs, self._limit_s * len(pairs))
        if reply is not None:
            seconds = reply["seconds"] / len(pairs)
            return [Said(right is True, "nothing" if right is None else "said", seconds) for right in reply["said"]]
        if len(pairs) == 1:
            return [Said(False, "timeout", self._limit_s)]
        return [said for pair in pairs for said in self.grade([pair])]

    def _ask(self, pairs: Sequence[Pair], limit_s: float) -> dict[str, Any] | None:
        process = self._process or self._start()
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps(list(pairs)).encode() + b"\n")
            process.stdin.flush()
            line = _line(process.stdout, limit_s)
        except OSError:
            line = b""
        if not line:
            self._kill()
            return None
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            [sys.executable, __file__, self._name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )
        assert self._process.stdout
        if _line(self._process.stdout, _START_S) != b"ready\n":
            self._kill()
            raise SystemExit(f"the grader {self._name} does not start: run python {__file__} {self._name}")
        return self._process

    def _kill(self) -> None:
        """End the process and those that it started."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None


def _line(stream: IO[bytes], limit_s: float) -> bytes:
    """Return the next line; nothing where the stream ends or the time is over."""
    end, line = time.monotonic() + limit_s, b""
    while not line.endswith(b"\n"):
        if not select.select([stream], [], [], max(0.0, end - time.monotonic()))[0]:
            return b""
        part = os.read(stream.fileno(), 1 << 16)
        if not part:
            return b""
        line += part
    return line


def main() -> None:
    """Serve one grader on standard input and output; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    grade = GRADERS[sys.argv[1]].make()
    grade([("1", r"\boxed{1}"), (r"\frac{x}{2}", r"\boxed{\frac{2x}{4}}")])  # patterns and grammars are compiled once
    answers.write(b"ready\n")
    for line in sys.stdin.buffer:
        pairs = [(answer, output) for answer, output in json.loads(line)]
        started = time.perf_counter()
        said = grade(pairs)
        answers.write(json.dumps({"said": said, "seconds": time.perf_counter() - started}).encode() + b"\n")


if __name__ == "__main__":
    main()
