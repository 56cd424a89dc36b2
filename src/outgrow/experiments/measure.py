"""What a measure is: one number of a trial's result, and which direction is better."""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

from ..core.registry import Component
from .flywheel_result import FlywheelTrialResult
from .rl_result import RLResult

AnyResult = RLResult | FlywheelTrialResult


class Measure(Component):
    """An entry of an experiment's `measures`."""

    reads: ClassVar[type[AnyResult]] = RLResult
    """Class of the results that it takes."""
    comparison: ClassVar[Literal["ratio", "difference"]] = "difference"
    """How two arms are compared: by the ratio of their means (1 means no effect), or by the difference (0 means no effect)."""
    less_is_better: ClassVar[bool] = False
    neutral: ClassVar[bool] = False
    """Whether a higher value may as well be a loss, so that arms are called higher or lower, and neither better nor worse."""
    null: ClassVar[float | None] = None
    """The value that means no effect of training; the page then counts the settings whose interval excludes it."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Heading of its column on the page."""

    @abstractmethod
    def value(self, result: Any) -> float | None:
        """Return the number, or None where this result has none. result: an instance of `reads`."""

    def reached(self, result: Any) -> bool:
        """Return whether the number is exact; False where it is only a lower bound."""
        return True

    def is_measured(self, result: Any) -> bool:
        """Return whether the result holds what the measure needs; a line written before the measure was added may not."""
        return True
