"""A watcher that writes warnings into the run's folder as well."""

from collections.abc import Sequence
from pathlib import Path

from ..core.callbacks import OnWritten
from ..runs.cost import Spent
from ..runs.warning_log import WarningLog
from .job import StepResult
from .watcher import Watcher


class LoggedWatcher:
    """Passes everything on to another watcher; warnings, also those of steps, are written into the run's folder."""

    def __init__(self, watcher: Watcher, run: Path) -> None:
        self._watcher = watcher
        self.log = WarningLog(run)
        self._told: set[str] = set()

    def stage(self, text: str) -> None:
        """Pass it on."""
        self._watcher.stage(text)

    def phase(self, text: str) -> None:
        """Pass it on."""
        self._watcher.phase(text)

    def training(self, done: int, steps: int) -> None:
        """Pass it on."""
        self._watcher.training(done, steps)

    def step(self, result: StepResult, spent: Spent) -> None:
        """Pass it on, and log the step's warning and alarms."""
        self.log.step = int(result.metrics["step"])
        for text in (*result.alarms, *filter(None, [result.warning])):
            self.log.add(text)
        self._watcher.step(result, spent)

    def answering(self, what: str, total: int) -> OnWritten:
        """Pass it on."""
        return self._watcher.answering(what, total)

    def warn(self, text: str) -> None:
        """Pass it on, and log it; the first time only."""
        if text not in self._told:
            self._told.add(text)
            self.log.add(text)
            self._watcher.warn(text)

    def worse(self, lines: Sequence[str]) -> None:
        """Pass it on, and log it."""
        self.log.add(" ".join(lines))
        self._watcher.worse(lines)
