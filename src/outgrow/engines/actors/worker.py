"""What runs in an actor's process: one engine, and what is said back of each call.

Nothing of this file needs Ray. Errors go back as plain data: an exception whose `__init__` takes other arguments than it passes on
cannot be sent between processes.
"""

from __future__ import annotations

import os
import pickle
import platform
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from ...core.callbacks import Written
from ...core.errors import OutgrowError, UsageError, first_line
from ...policy import Sampling
from ...types import Rollout
from ..engine import Engine, GenerationRequest
from .packed import Packed, unpacked
from .weights import Learned, merged

if TYPE_CHECKING:
    from torch import Tensor

THREADS = "engine.actor_threads"
Kind = Literal["", "usage", "failed", "bug", "stopped"]


@dataclass(frozen=True)
class Birth:
    """Where an actor lives."""

    process: int
    host: str
    outputs: tuple[str, ...]
    """The files that its output goes to, on its machine."""


@dataclass(frozen=True)
class Call:
    """One call of an engine: some prompts of a request."""

    number: int
    """Counts up from call to call."""
    prompts: Sequence[Sequence[int]]
    n: int
    sampling: Sampling
    seeds: Sequence[int]


@dataclass(frozen=True)
class Reply:
    """What an actor says back of a call."""

    rollouts: list[list[Rollout]] = field(default_factory=list)
    """Groups in the order of the call's prompts."""
    state: dict[str, Any] = field(default_factory=dict)
    """The engine's, behind the call."""
    warnings: list[str] = field(default_factory=list)
    kind: Kind = ""
    """What was raised: usage and failed are the package's own errors; empty where nothing was."""
    error: str = ""
    """Its line."""
    trace: str = ""
    """Of a bug: where it was raised."""


class _Stopped(Exception):
    pass


class Worker:
    """One engine, with the weights and the settings that it is sent."""

    def __init__(self, path: Sequence[str], threads: int) -> None:
        """path: where the run's process looks for modules. threads: of its sums."""
        sys.path.extend(folder for folder in path if folder not in sys.path)
        self._threads = threads
        self._engine: Engine | None = None
        self._state: dict[str, Any] | None = None
        self._base: dict[str, Tensor] = {}
        self._warnings: list[str] = []
        self._stopped = -1
        self._written = Written()

    def born(self) -> Birth:
        """Say where this is."""
        outputs = tuple(place for place in map(_target, (1, 2)) if place.startswith("/") and os.path.isfile(place))
        return Birth(os.getpid(), platform.node(), outputs)

    def start(self, settings: bytes, spec: bytes) -> Reply:
        """Make the engine. settings, spec: pickled EngineConfig and ModelSpec, whose modules `path` may be needed for."""

        def work() -> None:
            self._engine = pickle.loads(settings).build(self._warnings.append)
            self._engine.start(_here(pickle.loads(spec)))

        return self._reply(work)

    def base(self, base: Packed) -> Reply:
        """Keep the weights that later versions stand on, where the object store has them."""

        def work() -> None:
            self._base = unpacked(base)

        return self._reply(work)

    def load(self, learned: Learned, on_base: bool, version: int, state: dict[str, Any]) -> Reply:
        """Take these weights. on_base: whether they stand on the base. state: what every actor's engine computes with."""

        def work() -> None:
            engine, spec = self._started()
            self._take(state)
            engine.load_weights(merged(self._base if on_base else {}, learned, spec.device), version)

        return self._reply(work)

    def generate(self, call: Call, state: dict[str, Any]) -> Reply:
        """Write the rollouts of one call."""
        rollouts: list[list[Rollout]] = []
        self._written = Written()

        def check_stop() -> None:
            if self._stopped >= call.number:
                raise _Stopped

        def work() -> None:
            engine, _ = self._started()
            self._take(state)
            request = GenerationRequest(call.prompts, call.n, call.sampling, call.seeds, self._tell)
            rollouts.extend(engine.generate(request, check_stop))

        return self._reply(work, rollouts)

    def sleep(self) -> Reply:
        """Free the weights."""
        return self._reply(lambda: self._started()[0].sleep())

    def written(self) -> Written:
        """Say how far the call is. Answered while a call goes on, as `stop` is."""
        return self._written

    def stop(self, number: int) -> None:
        """End the call of this number, also where it has not begun: the two come by different ways."""
        self._stopped = number

    def _started(self) -> tuple[Engine, Any]:
        assert self._engine is not None and self._engine.spec is not None, "start() comes first"
        return self._engine, self._engine.spec

    def _take(self, state: dict[str, Any]) -> None:
        if state != self._state:
            self._started()[0].load_state_dict(state)

    def _tell(self, written: Written) -> None:
        self._written = written

    def _reply(self, work: Callable[[], None], rollouts: list[list[Rollout]] | None = None) -> Reply:
        """Do the work as a run does it, and tell what came of it."""
        from ...core.determinism import deterministic

        kind, error, trace = "", "", ""
        try:
            with deterministic(self._threads, THREADS):  # each time: OpenMP has a number of threads for each thread that calls it
                work()
        except UsageError as refusal:
            kind, error = "usage", str(refusal)
        except OutgrowError as failure:
            kind, error = "failed", str(failure)
        except _Stopped:
            kind = "stopped"
        except Exception as bug:
            kind, error, trace = "bug", f"{type(bug).__name__}: {first_line(bug)}", traceback.format_exc()
            print(trace, file=sys.stderr, flush=True)
        self._state = self._engine.state_dict() if self._engine else {}
        told, self._warnings[:] = list(self._warnings), []
        return Reply(rollouts or [], self._state, told, kind, error, trace)  # type: ignore[arg-type]


def _here(spec: Any) -> Any:
    """Return the model's description for this process, whose GPU is its first one, whichever the learner's is."""
    import torch

    return replace(spec, device=torch.device(spec.device.type))


def _target(descriptor: int) -> str:
    """Return the file that this process writes to; empty where the system does not say."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""
