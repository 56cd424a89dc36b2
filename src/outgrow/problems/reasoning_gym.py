"""The tasks of reasoning-gym (Stojanovski et al. 2025, arXiv 2505.24760), graded by their own scorers."""

import atexit
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from itertools import count as numbers
from pathlib import Path
from typing import Any

from pydantic import Field, JsonValue

from ..core.callbacks import Warn, quiet
from ..core.children import Child
from ..core.errors import OutgrowError, UsageError, install_hint
from ..types import Problem
from .overlap import question_id
from .source import Source
from .split import Split, split_of

_DRAW = Path(__file__).parents[1] / "sandbox" / "generate.py"
_AT_ONCE = 5  # items asked for in one request
# Some tasks have few problems, and some settings none that can be used; give up after this many that bring nothing new in a row.
_BEFORE_EXHAUSTED = 500


class ReasoningGym(Source):
    """Problem source `reasoning_gym`: up to `count` distinct problems of one task from one split.

    config: the task's own settings. Default: reasoning-gym's. The split of a problem is a hash of its task and question,
    so one met in training cannot come up in a test whatever the settings. The list depends only on these settings and on
    reasoning-gym's version. field: the field of its problems in tables and in the ledger. Default: the task's name. Several tasks,
    or several settings of one, are several sources, mixed by `weight`.
    """

    type: str = "reasoning_gym"
    task: str = Field(description="Name of the reasoning-gym task.", examples=["gcd"])
    config: dict[str, JsonValue] = Field(default_factory=dict, description="Settings of the task. Default: reasoning-gym's.")
    field: str = Field(default="", description="Field of the problems in tables and in the ledger. Default: the task's name.")
    split: Split = Field(default="train", description="Split of the problems, by a hash of task and question.")
    count: int = Field(default=400, ge=1, description="Number of distinct problems.")

    def load(self, warn: Warn = quiet) -> list[Problem]:
        """Return all problems, as they are drawn. Raises UsageError where the package, the task or a setting does not exist."""
        problems, unusable = _problems(self.task, json.dumps(self.config), self.split, self.count)
        for reason, count in unusable.items():
            warn(f"{self.task}: {count} of the problems drawn are skipped: {reason}")
        if len(problems) < self.count:
            warn(f"{self.task}: its {self.split} split has {len(problems)} distinct problems, not {self.count}")
        return [replace(problem, field=self.field or self.task) for problem in problems]


@cache
def _problems(task: str, config: str, split: Split, count: int) -> tuple[tuple[Problem, ...], Counter[str]]:
    """Return the problems, and how many of any split could not be used, by reason.

    Drawn once in a process, since a suite is loaded for each measurement.
    """
    problems: list[Problem] = []
    unusable: Counter[str] = Counter()
    seen: set[str] = set()
    nothing_new = 0
    for item in _items(task, config):
        if isinstance(item, str):
            unusable[item] += 1
        if isinstance(item, str) or (name := question_id(task, item["question"])) in seen:
            nothing_new += 1
            if nothing_new == _BEFORE_EXHAUSTED:
                break
            continue
        nothing_new = 0
        seen.add(name)
        if split_of(task, name) == split:
            problems.append(Problem(name, task, 0, item["question"], item["answer"], scorer=item["scorer"]))
            if len(problems) == count:
                break
    if not problems:
        raise UsageError(f"reasoning-gym's {task} has no problem for the {split} split with these settings")
    return tuple(problems), unusable


def _items(task: str, config: str) -> Iterator[dict[str, str] | str]:
    """Yield the task's endless list; where an item cannot be used, the reason."""
    for start in numbers(0, _AT_ONCE):
        reply = _drawer.ask({"task": task, "config": config, "start": start, "count": _AT_ONCE})
        if "error" in reply:
            raise UsageError(reply["error"])
        yield from reply["items"]


class _Drawer:
    """The process that draws (`sandbox.generate`), started at the first request and kept: it takes seconds to start."""

    def __init__(self) -> None:
        self._child: Child | None = None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return its reply. Raises UsageError where reasoning-gym is not installed, OutgrowError where the process ends."""
        if self._child is None:
            self._start()
        assert self._child is not None
        try:
            with suppress(BrokenPipeError):  # it has ended, which its reply will say
                self._child.requests.write(json.dumps(request).encode() + b"\n")
            line = self._child.lines.readline()
            if not line:
                raise OutgrowError(f"cannot draw problems of {request['task']}: {_DRAW} does not run")
            reply: dict[str, Any] = json.loads(line)
        except BaseException:  # a signal may have come in the middle of a reply
            self.close()
            raise
        return reply

    def _start(self) -> None:
        if find_spec("reasoning_gym") is None:
            raise UsageError(f"problem source reasoning_gym needs a package that is not installed: {install_hint('reasoning-gym')}")
        self._child = Child(_DRAW)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child = None


_drawer = _Drawer()
atexit.register(_drawer.close)
