"""Which phase of a step takes how long."""

import time


class PhaseClock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Count the time since the last call for the phase `name`."""
        now = time.perf_counter()
        self.laps[name], self._last = round(self.laps.get(name, 0.0) + now - self._last, 4), now


def untimed(name: str) -> None:
    """Count nothing: what is written ahead takes no time of its own, unless it is waited for."""
