"""The actors that are left, and waiting for their calls: with a limit of time, and with a stop that is heard."""

from __future__ import annotations

import math
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...core.callbacks import CheckStop, Note, Warn, Written, never_stop
from ...core.counted import counted
from ...core.errors import OutgrowError, UsageError
from ...core.processes import require_processes
from ...core.threads import require_threads
from ...policy import ModelSpec
from .actor import Actor
from .session import ADDRESS, Session, require_ray
from .waiting import Waiting
from .worker import THREADS, Reply, Worker

if TYPE_CHECKING:
    from torch import Tensor

    from ..engine import EngineConfig

_POLL_S = 0.5
"""Longest wait for Ray: a signal is answered between two."""
_SLOWEST_START_S = 900.0
"""Longest wait for an actor to start, to take weights or to free them: vLLM takes minutes to start."""
_SETTLE_S = 30.0
"""Longest wait for a call that was told to stop; an actor that has not by then is ended."""


class Pool:
    """Actors, each with the engines of a run. One that ends or hangs is left out; the calls of the others go on."""

    def __init__(self, configs: Sequence[EngineConfig], warn: Warn, check_stop: CheckStop = never_stop) -> None:
        """Nothing is started before `start`. configs: of the engines; the first one says how many actors. warn: told of each that
        is lost. check_stop: called while they start, and take or free weights; it may raise.

        Raises UsageError for a missing package, or more than this machine has.
        """
        require_ray()
        config = configs[0]
        if not os.environ.get(ADDRESS):
            require_processes(config.actors, "engine.actors")
            require_threads(config.actor_threads, THREADS)
        self.configs, self._config, self._warn, self._check_stop = configs, config, warn, check_stop
        self.base: dict[str, Tensor] = {}
        """What the actors have of a policy that learns next to it."""
        self.calls = 0
        """Number of the last call to write rollouts."""
        self._session: Session | None = None
        self.actors: list[Actor] = []
        self.lost: list[Actor] = []
        self._asked: dict[Any, Actor] = {}
        self._progress: dict[Actor, Written] = {}

    def start(self, spec: ModelSpec) -> None:
        """Start Ray and the actors, and wait until they are there; nothing happens where another engine has done so.

        Raises UsageError where Ray has not got what they need, OutgrowError where it or none of them starts.
        """
        if self._session is not None:
            return
        config = self._config
        self._warn(Note(f"starting {counted(config.actors, 'actor')} on Ray"))
        self._session = Session(config.actors, self._check_stop)
        options = _options(config, spec)
        import ray

        remote: Any = ray.remote(concurrency_groups={"aside": 1})(Worker)
        self.actors = [
            Actor(number, remote.options(**options).remote(sys.path, config.actor_threads))
            for number in range(1, config.actors + 1)
        ]
        for actor, birth in self.each("born", meanwhile=self._told_of_room(options)).items():
            actor.birth = birth
        plain = [each.model_copy(update={"actors": 0}) for each in self.configs]
        self.each("start", pickle.dumps(plain), pickle.dumps(spec))

    def each(
        self, method: str, *arguments: Any, of: Sequence[Actor] | None = None, meanwhile: Callable[[int], None] | None = None
    ) -> dict[Actor, Any]:
        """Call a method of every actor (or of these), and return what each says that is still there.

        meanwhile: called with how many have answered, as often as there is time. Default: nothing.

        Raises what `checked` and `check_stop` raise, and OutgrowError where no actor is left.
        """
        running = {actor.call(method, *arguments): actor for actor in (self.actors if of is None else of)}
        said = {}
        while running:
            self._check_stop()
            for actor, value in self.poll(running, _SLOWEST_START_S):
                if value is not None:
                    said[actor] = self.checked(actor, value)
            if meanwhile:
                meanwhile(len(said))
        return said

    def poll(self, running: dict[Any, Actor], limit: float) -> list[tuple[Actor, Any]]:
        """Wait for a moment, and take out of `running` the calls that are over: each actor with what it said, None for a lost one.

        limit: seconds that a call may take. Raises OutgrowError where none is left.
        """
        import ray

        ended, _ = ray.wait(list(running), timeout=_POLL_S)
        over: list[tuple[Actor, Any]] = []
        for promise in ended:
            actor = running.pop(promise)
            try:
                over.append((actor, ray.get(promise)))
            except ray.exceptions.RayError as error:
                over.append((actor, None))
                self._lose(actor, "has ended", error)
        for promise, actor in [(promise, actor) for promise, actor in running.items() if actor.seconds > limit]:
            del running[promise]
            over.append((actor, None))
            self._lose(actor, f"has not answered for {limit:g} seconds")
        return over

    def written(self, running: Mapping[Any, Actor]) -> Written:
        """Return how much the calls that go on have written, as far as their actors have said so by now."""
        import ray

        busy = set(running.values())
        ended, _ = ray.wait(list(self._asked), num_returns=len(self._asked), timeout=0) if self._asked else ([], [])
        for promise in ended:
            actor = self._asked.pop(promise)
            try:
                self._progress[actor] = ray.get(promise)
            except ray.exceptions.RayError:
                continue  # `poll` says so
        waiting = set(self._asked.values())
        self._asked |= {actor.aside("written"): actor for actor in busy - waiting}
        self._progress = {actor: written for actor, written in self._progress.items() if actor in busy}
        return sum(self._progress.values(), Written())

    def stop(self, running: Mapping[Any, Actor], number: int) -> None:
        """End the calls that go on, whose numbers go up to this one, and wait until they have ended: Ray takes no call back."""
        import ray

        for actor in running.values():
            actor.aside("stop", number)

        _, late = ray.wait(list(running), num_returns=len(running), timeout=_SETTLE_S) if running else ([], [])
        for promise in late:
            self._leave_out(running[promise])

    def checked(self, actor: Actor, said: Any) -> Any:
        """Pass on what an actor said, and tell its warnings. Raises what its engine has raised, as the same kind of error."""
        if not isinstance(said, Reply):
            return said
        for line in said.warnings:
            self._warn(line)
        if said.kind == "usage":
            raise UsageError(said.error)
        if said.kind == "failed":
            raise OutgrowError(said.error)
        if said.kind == "bug":
            raise OutgrowError(f"{actor.name} failed: {said.error}; {actor.last_words()}") from RuntimeError(said.trace)
        return said

    def close(self) -> None:
        """End every actor, and leave Ray."""
        for actor in self.actors:
            actor.kill()
        self.actors = []
        if self._session is not None:
            self._session.close()

    def _told_of_room(self, options: Mapping[str, Any]) -> Callable[[int], None] | None:
        """Return what tells a person that a cluster has no room yet; None on this machine, where no actor waits for any."""
        if not os.environ.get(ADDRESS):
            return None
        import ray

        needs = {name: options[key] for name, key in (("CPU", "num_cpus"), ("GPU", "num_gpus")) if key in options}
        return Waiting(self._config.actors, needs, _SLOWEST_START_S, ray.available_resources, self._warn).look

    def _lose(self, actor: Actor, why: str, error: BaseException | None = None) -> None:
        """Leave an actor out. Raises OutgrowError where it was the last one."""
        line = f"{actor.name} {why}; {actor.last_words()}"
        self._leave_out(actor)
        if not self.actors:
            raise OutgrowError(f"{line}; no actor is left") from error
        self._warn(f"{line}; its prompts go to {counted(len(self.actors), 'other actor')}")

    def _leave_out(self, actor: Actor) -> None:
        actor.kill()
        actor.lost = True
        self.actors.remove(actor)
        self.lost.append(actor)


def _options(config: EngineConfig, spec: ModelSpec) -> dict[str, Any]:
    """Return what Ray is asked for each actor. Raises UsageError where it has not got that for all: they would wait in silence."""
    import ray

    joined, has = bool(os.environ.get(ADDRESS)), ray.cluster_resources()
    options: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0}
    if joined:
        options |= {"num_cpus": config.actor_threads, "scheduling_strategy": "SPREAD"}
        if (need := config.actors * config.actor_threads) > has.get("CPU", 0):
            raise UsageError(
                f"engine.actors={config.actors} with engine.actor_threads={config.actor_threads} ask for {need} cores, and the "
                f"cluster has {has.get('CPU', 0):g}; lower one of them, or add machines"
            )
    if spec.device.type == "cuda":
        if not has.get("GPU", 0):
            raise UsageError("the policy is on a GPU, and Ray sees none for engine.actors; set engine.actors=0")
        share = has["GPU"] / config.actors
        options["num_gpus"] = 1 if share >= 1 else math.floor(share * 1e4) / 1e4  # Ray counts in ten-thousandths
    return options
