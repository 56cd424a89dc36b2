"""What a person sees at the terminal: a live line while work goes on, plain lines where the output is no terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from .console import console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from ..core.callbacks import OnProgress
    from ..runs.cost import Spent
    from ..train.job import StepResult

_SECONDS_BETWEEN_PLAIN_LINES = 10.0
_REPEATED_WARNINGS = 3


@contextmanager
def counting(what: str, total: int) -> "Iterator[OnProgress]":
    """Show a progress bar with an ETA. Give what takes how many things of `total` are done."""
    with _bar(console) as bar:
        yield _counter(bar, _PlainLines(console), what, total)


class Terminal:
    """Shows a run or a flywheel (see `train.watcher.Watcher`). Use as a context manager around it."""

    _task: "TaskID | None"  # the bar of the steps, once there are steps

    def __init__(self, console: "Console") -> None:
        self.console = console
        self._lines = _PlainLines(console)
        self._begin()

    def __enter__(self) -> "Terminal":
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()

    def stage(self, text: str) -> None:
        """Leave the bars of the stage before as they are, and begin new ones under a heading."""
        self._bar.stop()
        self.console.print(text, style="bold", markup=False, highlight=False, soft_wrap=True)
        self._begin()
        self._bar.start()

    def phase(self, text: str) -> None:
        """Print the name of a part of the run."""
        self.console.print(f"[bold]{text}[/]", highlight=False)

    def warn(self, text: str) -> None:
        """Print something a person should read."""
        self.console.print(text, style="yellow", markup=False, highlight=False)

    def training(self, done: int, steps: int) -> None:
        """Begin the bar of the steps."""
        self._steps, self._done_before, self._began = steps, done, time.monotonic()
        self._task = self._bar.add_task("training", total=steps, completed=done, figures="")

    def counting(self, what: str, total: int) -> "OnProgress":
        """Begin the bar of some other work."""
        return _counter(self._bar, self._lines, what, total)

    def step(self, result: "StepResult", spent: "Spent") -> None:
        """Move the bar of the steps, and print a warning of the step; of many warnings the first three."""
        if result.warning:
            self._warned += 1
            if self._warned <= _REPEATED_WARNINGS:
                hidden = "  (further warnings of this kind hidden)" if self._warned == _REPEATED_WARNINGS else ""
                self.warn(result.warning + hidden)
        done, figures = int(result.metrics["step"]), _figures(result.metrics, spent)
        assert self._task is not None
        self._bar.update(self._task, completed=done, figures=figures)
        left = (time.monotonic() - self._began) / (done - self._done_before) * (self._steps - done)
        self._lines.print(f"step {done}/{self._steps}  {figures}  {left:.0f} s left", last=done == self._steps)

    def _begin(self) -> None:
        self._bar = _bar(self.console)
        self._task = None
        self._steps = self._done_before = self._warned = 0
        self._began = time.monotonic()


class _PlainLines:
    """Prints a line every ten seconds, and the last one, where the output is no terminal."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._printed = time.monotonic()

    def print(self, line: str, last: bool) -> None:
        now = time.monotonic()
        if not self._console.is_terminal and (last or now - self._printed > _SECONDS_BETWEEN_PLAIN_LINES):
            self._printed = now
            self._console.print(line, markup=False, highlight=False)


def _bar(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _counter(bar: "Progress", lines: _PlainLines, what: str, total: int) -> "OnProgress":
    task = bar.add_task(what, total=total, figures="")

    def show(done: int) -> None:
        bar.update(task, completed=done)
        lines.print(f"{what}: {done} of {total}", last=done == total)

    return show


def _figures(metrics: dict[str, float], spent: "Spent") -> str:
    cost = f"  ${spent.dollars:,.2f}" if spent.dollars else ""
    if "rollouts/pass_rate" in metrics:
        return f"pass rate {metrics['rollouts/pass_rate']:.2f}  length {metrics['rollouts/mean_tokens']:.0f}{cost}"
    return f"loss {metrics['train/loss']:.3f}{cost}"
