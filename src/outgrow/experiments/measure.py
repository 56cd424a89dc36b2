"""What is read off a run: one number, and which direction is better."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

from ..core.registry import Component
from .flywheel_result import FlywheelTrialResult
from .rl_result import RLResult

AnyResult = RLResult | FlywheelTrialResult


class Measure(Component):
    """label: how a table calls it. reads: the results it is read off. compared: how two arms are, by what is 1, or 0, when there is
    no difference."""

    reads: ClassVar[type[AnyResult]] = RLResult
    compared: ClassVar[Literal["ratio", "difference"]] = "difference"
    less_is_better: ClassVar[bool] = False

    @property
    @abstractmethod
    def label(self) -> str:
        """As a table's heading."""

    @abstractmethod
    def of(self, result: Any) -> float | None:
        """The number; None where this run does not have it. result: one of those that it reads."""

    def reached(self, result: Any) -> bool:
        """Whether the number is that, and not just a bound that the true one lies beyond."""
        return True

    def known(self, result: Any) -> bool:
        """Whether what it needs was measured; a line from before it was asked for may lack it."""
        return True
