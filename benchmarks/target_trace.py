"""When a policy that learns reaches a pass rate: seconds of training, held-out measurements, and the rule of arrival."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

CONFIRMS = 1_000_000
"""Added to the step for the seed of a second measurement, so that it draws other answers."""


@dataclass(frozen=True)
class Target:
    """What is to be reached, and how that is seen."""

    rate: float
    """Pass@1 on the held-out problems."""
    every: int
    """Training steps between measurements."""
    samples: int
    """Answers to each problem in a measurement."""
    confirming: int
    """Answers to each problem in the second measurement, of which there is one wherever the first reaches the rate."""
    bound: float
    """Seconds of training after which a run ends; a run that has not arrived counts as this."""


@dataclass
class Trace:
    """The way of one run to the target. Its clock counts training only: it stands while the policy is measured.

    The target is reached at the first measurement that reaches the rate, if a second one of the same policy, with other draws, does
    so too. Nothing is interpolated.
    """

    target: Target
    measure: Callable[[int, int], float]
    """Takes the answers to each problem and a seed; returns the pass@1 of the policy as it is now."""
    now: Callable[[], float] = time.perf_counter
    seconds: float = 0.0
    steps: int = 0
    before: float = 0.0
    curve: list[list[float]] = field(default_factory=list)
    """Of each measurement: step, seconds, pass@1."""
    confirmed: list[list[float]] = field(default_factory=list)
    """Of each second measurement: step, pass@1."""
    arrived: bool = False
    _since: float = 0.0

    def start(self) -> None:
        """Measure the policy before training, and start the clock."""
        self.before = self.measure(self.target.confirming, CONFIRMS)
        print(f"step 0: pass@1 {self.before:.3f}", file=sys.stderr, flush=True)
        self._since = self.now()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock inside."""
        self.seconds += self.now() - self._since
        try:
            yield
        finally:
            self._since = self.now()

    def step_done(self, step: int) -> bool:
        """Take that a training step is done; return whether the run ends here."""
        with self.paused():
            self.steps = step
            late = self.seconds >= self.target.bound
            if late or step % self.target.every == 0:
                self._look(step)
            return late or self.arrived

    def _look(self, step: int) -> None:
        rate = self.measure(self.target.samples, step)
        self.curve.append([step, round(self.seconds, 2), round(rate, 4)])
        print(f"step {step}, {self.seconds:.1f} s: pass@1 {rate:.3f}", file=sys.stderr, flush=True)
        if rate < self.target.rate:
            return
        again = self.measure(self.target.confirming, CONFIRMS + step)
        self.confirmed.append([step, round(again, 4)])
        print(f"  measured again: {again:.3f}", file=sys.stderr, flush=True)
        self.arrived = again >= self.target.rate and self.seconds <= self.target.bound

    def result(self) -> dict[str, Any]:
        """Return what a benchmark keeps of the run. `seconds` is the bound where it has not arrived, `trained` what it trained."""
        times = [0.0, *(seconds for _, seconds, _ in self.curve)]
        return {
            "arrived": self.arrived,
            "seconds": round(self.seconds, 2) if self.arrived else self.target.bound,
            "trained": round(self.seconds, 2),
            "steps": self.steps,
            "interval": round(times[-1] - times[-2], 2) if self.curve else 0.0,
            "before": round(self.before, 4),
            "last": self.curve[-1][2] if self.curve else round(self.before, 4),
            "curve": self.curve,
            "confirmed": self.confirmed,
        }
