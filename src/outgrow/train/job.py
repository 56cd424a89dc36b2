"""What a training job is: something that advances step by step, and that a run can stop, save and continue."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..policy import Policy
from .optimizer import Optimizer


@dataclass(frozen=True)
class StepResult:
    """What one step leaves. metrics repeat to the last bit when a run is repeated; seconds do not."""

    metrics: dict[str, float]
    seconds: dict[str, float]
    commit: Callable[[], None]  # writes what the step leaves on disk (rollouts, ledger)
    warning: str | None = None


class Job(Protocol):
    """RL and SFT, as the run sees them. Everything a job knows follows from weights, optimizer, ledger and step."""

    policy: Policy
    optimizer: Optimizer
    steps: int

    def advance(self, step: int, check_stop: Callable[[], None]) -> StepResult:
        """Do step `step` (1 .. steps). check_stop may raise up to the moment the weights move, never after."""
        ...

    def rewind(self, step: int) -> None:
        """Forget what was left on disk after `step`."""
        ...

    def rollouts(self) -> int:
        """Rollouts trained on so far, screening included."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...
