"""What runs in an actor's process: a run's engines, and what is said back of each call.

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
    engine: int = 0
    """The place of the engine that writes it."""


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
    """The engines of a run, with the weights and the settings that they are sent. Each call names one by its place."""

    def __init__(self, path: Sequence[str], threads: int) -> None:
        """path: where the run's process looks for modules. threads: of its sums."""
        sys.path.extend(folder for folder in path if folder not in sys.path)
        self._threads = threads
        self._engines: list[Engine] = []
        self._states: dict[int, dict[str, Any]] = {}
        self._base: dict[str, Tensor] = {}
        self._warnings: list[str] = []
        self._stopped = -1
        self._written = Written()

    def born(self) -> Birth:
        """Say where this is."""
        outputs = tuple(place for place in map(_target, (1, 2)) if place.startswith("/") and os.path.isfile(place))
        return Birth(os.getpid(), platform.node(), outputs)

    def start(self, settings: bytes, spec: bytes) -> Reply:
        """Make the engines. settings, spec: pickled list of EngineConfigs, and ModelSpec; their modules may be on `path`."""

        def work() -> None:
            for config in pickle.loads(settings):
                engine = config.build(self._warnings.append)
                engine.start(_here(pickle.loads(spec)))
                self._engines.append(engine)

        return self._reply(work)

    def base(self, base: Packed) -> Reply:
        """Keep the weights that later versions stand on, where the object store has them."""

        def work() -> None:
            self._base = unpacked(base)

        return self._reply(work)

    def load(self, place: int, learned: Learned, on_base: bool, version: int, state: dict[str, Any]) -> Reply:
        """Take these weights. on_base: whether they stand on the base. state: what every actor's engine computes with."""

        def work() -> None:
            engine, spec = self._started(place)
            self._take(place, state)
            engine.load_weights(merged(self._base if on_base else {}, learned, spec.device), version)

        return self._reply(work, place)

    def generate(self, call: Call, state: dict[str, Any]) -> Reply:
        """Write the rollouts of one call."""
        rollouts: list[list[Rollout]] = []
        self._written = Written()

        def check_stop() -> None:
            if self._stopped >= call.number:
                raise _Stopped

        def work() -> None:
            engine, _ = self._started(call.engine)
            self._take(call.engine, state)
            request = GenerationRequest(call.prompts, call.n, call.sampling, call.seeds, self._tell)
            rollouts.extend(engine.generate(request, check_stop))

        return self._reply(work, call.engine, rollouts)

    def sleep(self, place: int) -> Reply:
        """Free the weights of one engine."""
        return self._reply(lambda: self._started(place)[0].sleep(), place)

    def written(self) -> Written:
        """Say how far the call is. Answered while a call goes on, as `stop` is."""
        return self._written

    def stop(self, number: int) -> None:
        """End the call of this number, also where it has not begun: the two come by different ways."""
        self._stopped = number

    def _started(self, place: int) -> tuple[Engine, Any]:
        assert place < len(self._engines), "start() comes first"
        engine = self._engines[place]
        return engine, engine.spec

    def _take(self, place: int, state: dict[str, Any]) -> None:
        if state != self._states.get(place):
            self._started(place)[0].load_state_dict(state)

    def _tell(self, written: Written) -> None:
        self._written = written

    def _reply(self, work: Callable[[], None], place: int = 0, rollouts: list[list[Rollout]] | None = None) -> Reply:
        """Do the work as a run does it, and tell what came of it, with the state of the engine at this place."""
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
        state = self._states[place] = self._engines[place].state_dict() if place < len(self._engines) else {}
        told, self._warnings[:] = list(self._warnings), []
        return Reply(rollouts or [], state, told, kind, error, trace)  # type: ignore[arg-type]


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
