"""Who is told how a run or a flywheel goes: the terminal, a test, nobody."""

from collections.abc import Sequence
from typing import Protocol

from ..core.callbacks import OnWritten, untold
from ..runs.cost import Spent
from .job import StepResult


class Watcher(Protocol):
    """Who is told how a run goes, or a flywheel made of runs."""

    def stage(self, text: str) -> None:
        """A stage of a flywheel begins, continues, or was done in an earlier call; a run by itself has no stages."""

    def phase(self, text: str) -> None:
        """A part of the run begins."""

    def training(self, done: int, steps: int) -> None:
        """Steps begin; `done` of them were done in an earlier session."""

    def step(self, result: StepResult, spent: Spent) -> None:
        """A step is done; `spent` is what the run took so far."""

    def answering(self, what: str, total: int) -> OnWritten:
        """`total` answers will be written. Return what takes how much of them is there."""
        ...

    def warn(self, text: str) -> None:
        """Something a person should read."""

    def worse(self, lines: Sequence[str]) -> None:
        """Held-out problems got worse; the lines say by how much, why, and what to change."""


class SilentWatcher:
    """A watcher that shows nothing. Subclass it to keep or check one thing."""

    def stage(self, text: str) -> None:
        """Show nothing."""

    def phase(self, text: str) -> None:
        """Show nothing."""

    def training(self, done: int, steps: int) -> None:
        """Show nothing."""

    def step(self, result: StepResult, spent: Spent) -> None:
        """Show nothing."""

    def answering(self, what: str, total: int) -> OnWritten:
        """Return a function that shows nothing."""
        return untold

    def warn(self, text: str) -> None:
        """Show nothing."""

    def worse(self, lines: Sequence[str]) -> None:
        """Show nothing."""
