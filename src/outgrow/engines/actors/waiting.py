"""What a person is told while a cluster has no room for all actors yet: Ray itself waits without a word."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ...core.amounts import duration
from ...core.callbacks import Warn

_FIRST_S = 20.0
_WORDS = {"CPU": "cores", "GPU": "GPUs"}


class Waiting:
    """Tells who is awaited, why, and how to end it: after 20 seconds, whenever one more is there, and each time it has taken twice
    as long.
    """

    def __init__(
        self, actors: int, needs: Mapping[str, float], limit_s: float, free: Callable[[], Mapping[str, float]], warn: Warn,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """needs: what each takes of a cluster, by Ray's names (CPU, GPU). limit_s: seconds after which it ends by itself. free:
        what the cluster has of it now. clock: in seconds.
        """
        self._actors, self._needs, self._limit_s, self._free, self._warn, self._clock = actors, needs, limit_s, free, warn, clock
        self._began, self._next, self._there = clock(), _FIRST_S, 0

    def look(self, there: int) -> None:
        """Tell it where it is time to. there: actors that have started."""
        took = self._clock() - self._began
        if there == self._actors or took < _FIRST_S or (took < self._next and there == self._there):
            return
        self._there = there
        while self._next <= took:
            self._next *= 2
        free = self._free()
        room = "; ".join(f"free {_WORDS[name]}: {free.get(name, 0):g}, each takes {count:g}" for name, count in self._needs.items())
        self._warn(
            f"{there} of {self._actors} actors have started after {duration(took)}: the cluster that RAY_ADDRESS names is busy "
            f"({room}); waiting up to {duration(self._limit_s)} for the others; Ctrl-C ends that, then end what runs there, or "
            "lower engine.actors"
        )
