"""The engine that holds N actors on Ray, each with the engine that the recipe names."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...core.callbacks import CheckStop, Warn, Written, never_stop, quiet
from ...core.errors import OutgrowError
from ...policy import ModelSpec, Policy
from ...types import Rollout
from ..engine import Engine, EngineConfig, GenerationRequest, check_room
from ..work import Work
from .deal import calls_of
from .packed import packed
from .pool import Pool
from .weights import Learned, split, whole
from .worker import Call

if TYPE_CHECKING:
    from torch import Tensor

    from .actor import Actor


def build_engine(config: EngineConfig, warn: Warn = quiet, check_stop: CheckStop = never_stop) -> Engine:
    """Make an engine: in this process, or in config.actors of their own. warn: as for `EngineConfig.build`. check_stop: called
    while actors start; what it raises ends that.

    Raises UsageError where a package that it needs is not installed.
    """
    return ActorEngine(Pool([config], warn, check_stop), 0) if config.actors else config.build(warn)


def build_engines(config: EngineConfig, warn: Warn = quiet, check_stop: CheckStop = never_stop) -> tuple[Engine, Engine]:
    """Make the engine of a run, and the one that measures: the same where it is exact, else the two are in the same actors.

    Arguments and errors are those of `build_engine`.
    """
    exact = config.exact()
    if exact == config:
        return (engine := build_engine(config, warn, check_stop)), engine
    if config.actors and not config.one_per_process:
        pool = Pool([config, exact], warn, check_stop)
        return ActorEngine(pool, 0), ActorEngine(pool, 1)
    return build_engine(config, warn, check_stop), build_engine(exact, warn, check_stop)


class ActorEngine(Engine):
    """Writes the rollouts of a call in several processes; the same tokens, however many these are, and whichever of them end."""

    def __init__(self, pool: Pool, place: int) -> None:
        """pool: its actors, which nothing has started yet. place: which of their engines this is."""
        self._pool, self._place, self._config = pool, place, pool.configs[place]
        self._here = self._config.build()  # never computes: it knows which states are possible
        self._state = self._here.state_dict()
        self._agreed = False  # whether the state is what an actor has found
        self._version: int | None = None

    def start(self, spec: ModelSpec) -> None:
        """Start Ray and the actors. Raises OutgrowError where they do not start, UsageError where Ray has no room for them."""
        self._pool.start(spec)
        super().start(spec)

    def load_weights(self, weights: Mapping[str, Tensor], version: int) -> None:
        self._load(whole(weights), False, version)

    def load_policy(self, policy: Policy, version: int) -> None:
        """Send what learns; what stays as it is goes once."""
        base, learned = split(policy)
        if base and not _same(base, self._pool.base):
            import ray

            self._running().each("base", ray.put(packed(base)))
            self._pool.base = base
        self._load(learned, bool(base), version)

    def sleep(self) -> None:
        if self._pool.actors:
            self._pool.each("sleep", self._place)
        self._version = None

    def generate(self, request: GenerationRequest, check_stop: CheckStop = never_stop) -> list[list[Rollout]]:
        spec, pool = self.spec, self._running()
        assert spec is not None and self._version is not None, "load_weights() comes first"
        check_room(request.sampling, spec.context, request.prompts)
        expected = request.expected_tokens or [request.sampling.max_tokens] * len(request.prompts)
        waiting = deque(calls_of([*map(len, request.prompts)], expected, request.n, self._config.actor_rows))
        groups: list[list[Rollout]] = [[] for _ in request.prompts]
        running: dict[Any, Actor] = {}
        places: dict[Actor, list[int]] = {}
        try:
            while waiting or running:
                check_stop()
                for actor in pool.actors:
                    if waiting and actor not in places:
                        places[actor] = waiting.popleft()
                        pool.calls += 1
                        call = _call(pool.calls, request, places[actor], self._place)
                        running[actor.call("generate", call, self._state)] = actor
                for actor, said in pool.poll(running, self._config.actor_timeout_s):
                    mine = places.pop(actor)
                    if said is None:
                        waiting.appendleft(mine)
                        continue
                    reply = pool.checked(actor, said)
                    self._state = reply.state
                    for place, group in zip(mine, reply.rollouts, strict=True):
                        groups[place] = self._of_this_version(actor, group)
                    actor.wrote(_whole(reply.rollouts).tokens, self._version)
                request.on_written(_whole(groups) + pool.written(running))
        except BaseException:
            pool.stop(running, pool.calls)
            raise
        return groups

    def close(self) -> None:
        self._pool.close()

    def work_done(self) -> list[Work]:
        return [actor.work_done() for actor in sorted([*self._pool.actors, *self._pool.lost], key=lambda actor: actor.number)]

    def state_dict(self) -> dict[str, Any]:
        return self._state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._here.load_state_dict(state)
        self._state, self._agreed = self._here.state_dict(), False

    def _load(self, learned: Learned, on_base: bool, version: int) -> None:
        import ray

        pool, promise = self._running(), ray.put(learned)
        rest = list(pool.actors)
        while not self._agreed and rest:  # the first one measures what is fastest here, and the others take that over
            for reply in pool.each("load", self._place, promise, on_base, version, self._state, of=[rest.pop(0)]).values():
                self._state, self._agreed = reply.state, True
        pool.each("load", self._place, promise, on_base, version, self._state, of=rest)
        self._version = version

    def _running(self) -> Pool:
        assert self.spec is not None, "start() comes first"
        if not self._pool.actors:
            raise OutgrowError("no actor is left to write rollouts")
        return self._pool

    def _of_this_version(self, actor: Actor, group: list[Rollout]) -> list[Rollout]:
        """Return the group. Raises OutgrowError where other weights than those of the last load have written it."""
        for rollout in group:
            if rollout.weights_version != self._version:
                wrote = f"{actor.name} wrote with weights of version {rollout.weights_version}"
                raise OutgrowError(f"{wrote}, not {self._version}; run the command again")
        return group


def _call(number: int, request: GenerationRequest, places: list[int], engine: int) -> Call:
    prompts, seeds = [list(request.prompts[place]) for place in places], [request.seeds[place] for place in places]
    return Call(number, prompts, request.n, request.sampling, seeds, engine)


def _whole(groups: list[list[Rollout]]) -> Written:
    """Return how much of the groups is there."""
    rollouts = [rollout for group in groups for rollout in group]
    return Written(len(rollouts), sum(len(rollout.completion_ids) for rollout in rollouts))


def _same(weights: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    """Return whether these are the same tensors, and not changed since."""
    return weights.keys() == others.keys() and all(
        (weight.data_ptr(), weight._version) == (others[name].data_ptr(), others[name]._version) for name, weight in weights.items()
    )
