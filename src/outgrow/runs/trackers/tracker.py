"""What a tracker is: somewhere else to look at a run's figures while it trains."""

from pathlib import Path
from typing import Any, ClassVar, Protocol


class Tracker(Protocol):
    """A copy of metrics.jsonl in a tool that draws curves. Any method may raise: the run continues without the tracker.

    What it writes lies under the run's folder. Its package is imported in `start`, so that naming a tracker costs nothing.
    """

    package: ClassVar[str]  # what must be importable; pip knows it as the extra of the tracker's name

    def start(self, run: Path, recipe: dict[str, Any], resumed_at: int) -> None:
        """Begin: training continues after step `resumed_at` (0 for a new run).

        Later steps that an earlier session logged are about to come again, and should be shown once.
        """
        ...

    def log(self, step: int, metrics: dict[str, float]) -> None:
        """Show a step's figures, which are on disk already."""
        ...

    def close(self) -> None:
        """End: no more steps come in this session."""
        ...
