"""What a person sees at the terminal: a live line while a run trains; plain lines when the output is not a terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .console import console

if TYPE_CHECKING:
    from ..runs.cost import Spent
    from ..train.job import StepResult

_SECONDS_BETWEEN_PLAIN_LINES = 10.0
_REPEATED_WARNINGS = 3


class Terminal:
    """Watches a run (see `train.loop.Watcher`). Use as a context manager around it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = _bar(console, TextColumn("{task.fields[figures]}"))
        self._task: TaskID | None = None
        self._steps = 0
        self._began = time.monotonic()
        self._begun_at = 0
        self._warned = 0
        self._lines = _Throttle()

    def __enter__(self) -> "Terminal":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def phase(self, text: str) -> None:
        """Print the heading of a part of the run."""
        self.console.print(f"[bold]{text}[/]", highlight=False)

    def warn(self, text: str) -> None:
        """Print a warning among the run's lines."""
        self.console.print(text, style="yellow", markup=False, highlight=False)

    def training(self, done: int, steps: int) -> None:
        """Start the line of training steps; `done` of them were done in an earlier session."""
        self._steps, self._begun_at, self._began = steps, done, time.monotonic()
        self._task = self._progress.add_task("training", total=steps, completed=done, figures="")

    def counting(self, what: str, whole: int) -> Callable[[int], None]:
        """Start a line that counts to `whole`; return the function that takes how many are done."""
        return _counter(self._progress, self.console, what, whole)

    def step(self, result: "StepResult", spent: "Spent") -> None:
        """Show a finished step."""
        if result.warning:
            self._warned += 1
            if self._warned <= _REPEATED_WARNINGS:
                last = self._warned == _REPEATED_WARNINGS
                self.warn(result.warning + ("  (further warnings of this kind hidden)" if last else ""))
        done, figures = int(result.metrics["step"]), _figures(result.metrics, spent)
        assert self._task is not None
        self._progress.update(self._task, completed=done, figures=figures)
        if not self.console.is_terminal and self._lines.due(done == self._steps):
            left = (time.monotonic() - self._began) / (done - self._begun_at) * (self._steps - done)
            self.console.print(f"step {done}/{self._steps}  {figures}  {left:.0f} s left", markup=False, highlight=False)


@contextmanager
def counting(what: str, whole: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar that counts to `whole`; yield the function that takes how many are done."""
    with _bar(console) as progress:
        yield _counter(progress, console, what, whole)


class _Throttle:
    """Lets a plain line through every ten seconds, and always the last one."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def due(self, last: bool) -> bool:
        """Return whether to print now."""
        now = time.monotonic()
        if not last and now - self._last <= _SECONDS_BETWEEN_PLAIN_LINES:
            return False
        self._last = now
        return True


def _bar(console: Console, *columns: ProgressColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        *columns,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _counter(progress: Progress, console: Console, what: str, whole: int) -> Callable[[int], None]:
    task, lines = progress.add_task(what, total=whole, figures=""), _Throttle()

    def show(done: int) -> None:
        progress.update(task, completed=done)
        if not console.is_terminal and lines.due(done == whole):
            console.print(f"{what}: {done} of {whole}", markup=False, highlight=False)

    return show


def _figures(metrics: dict[str, float], spent: "Spent") -> str:
    cost = f"  ${spent.dollars:,.2f}" if spent.dollars else ""
    if "rollouts/pass_rate" in metrics:
        return f"pass rate {metrics['rollouts/pass_rate']:.2f}  length {metrics['rollouts/mean_tokens']:.0f}{cost}"
    return f"loss {metrics['train/loss']:.3f}{cost}"
