"""What a training job is: something that advances step by step, and that a run can stop, save and continue."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..evaluate.look import Look
from ..policy import Policy
from ..types import Problem
from .optimizer import Optimizer


@dataclass(frozen=True)
class StepResult:
    """What one step leaves."""

    metrics: dict[str, float]
    """By name; the same to the last bit when a run is repeated."""
    seconds: dict[str, float]
    """By phase; never the same."""
    commit: Callable[[], None]
    """Writes what the step leaves on disk (rollouts, ledger)."""
    warning: str | None = None
    """A line that a person should read, of which the first few are shown."""
    alarms: Sequence[str] = ()
    """Lines that are always shown: something is broken."""
    look: Look | None = None
    """The validation problems before the step; None where they were not measured."""


class Job(Protocol):
    """RL and SFT, as the run sees them. Everything a job knows follows from weights, optimizer, ledger, step and `state_dict`."""

    policy: Policy
    optimizer: Optimizer
    steps: int

    @property
    def problems(self) -> Sequence[Sequence[Problem]]:
        """What it practises, by source."""
        ...

    def advance(self, step: int, check_stop: Callable[[], None]) -> StepResult:
        """Do step `step` (1 .. steps). check_stop may raise up to the moment the weights move, never after."""
        ...

    def known_verdicts(self) -> dict[str, str]:
        """Return what its verifier says of known answers, by problem and answer; empty where it has no verifier."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of the job next to weights and optimizer, as JSON values: sizes that memory lowered."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned when the checkpoint was written."""
        ...

    def rewind(self, step: int) -> None:
        """Forget what later steps than `step` left on disk."""
        ...

    def rollouts(self) -> int:
        """Return the number of rollouts written so far, screening included."""
        ...

    def close(self) -> None:
        """Close files and processes."""
        ...
