"""What a person sees at the terminal: a live line while a run trains, plain lines where the output is no terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .console import console

if TYPE_CHECKING:
    from ..runs.cost import Spent
    from ..train.job import StepResult

_SECONDS_BETWEEN_PLAIN_LINES = 10.0
_REPEATED_WARNINGS = 3


class Terminal:
    """Watches a run (see `learn.loop.Watcher`). Use as a context manager around it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
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
        self._task: TaskID | None = None
        self._steps = 0
        self._began = self._said = time.monotonic()
        self._begun_at = 0
        self._warned = 0

    def __enter__(self) -> "Terminal":
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def phase(self, text: str) -> None:
        """A part of the run begins."""
        self.console.print(f"[bold]{text}[/]", highlight=False)

    def warn(self, text: str) -> None:
        """Something a person should read."""
        self.console.print(text, style="yellow", markup=False, highlight=False)

    def training(self, done: int, steps: int) -> None:
        """Steps begin."""
        self._steps, self._begun_at, self._began = steps, done, time.monotonic()
        self._task = self._progress.add_task("training", total=steps, completed=done, figures="")

    def counting(self, what: str, whole: int) -> Callable[[int], None]:
        """So many begin; the function returned is told how many are done."""
        task = self._progress.add_task(what, total=whole, figures="")

        def tell(done: int) -> None:
            self._progress.update(task, completed=done)
            now = time.monotonic()
            if not self.console.is_terminal and (now - self._said > _SECONDS_BETWEEN_PLAIN_LINES or done == whole):
                self._said = now
                self.console.print(f"{what}: {done} of {whole}", markup=False, highlight=False)

        return tell

    def step(self, result: "StepResult", spent: "Spent") -> None:
        """A step is done."""
        if result.warning:
            self._warned += 1
            if self._warned <= _REPEATED_WARNINGS:
                self.warn(result.warning + ("  (said no more)" if self._warned == _REPEATED_WARNINGS else ""))
        done, figures = int(result.metrics["step"]), _figures(result.metrics, spent)
        assert self._task is not None
        self._progress.update(self._task, completed=done, figures=figures)
        now = time.monotonic()
        if not self.console.is_terminal and (now - self._said > _SECONDS_BETWEEN_PLAIN_LINES or done == self._steps):
            self._said = now
            left = (now - self._began) / (done - self._begun_at) * (self._steps - done)
            self.console.print(f"step {done}/{self._steps}  {figures}  {left:.0f} s left", markup=False, highlight=False)


def _figures(metrics: dict[str, float], spent: "Spent") -> str:
    cost = f"  ${spent.dollars:,.2f}" if spent.dollars else ""
    if "rollouts/pass_rate" in metrics:
        return f"pass rate {metrics['rollouts/pass_rate']:.2f}  length {metrics['rollouts/mean_tokens']:.0f}{cost}"
    return f"loss {metrics['train/loss']:.3f}{cost}"


@contextmanager
def counting(what: str, whole: int) -> Iterator[Callable[[int], None]]:
    """A progress bar with an ETA; plain lines now and then where the output is no terminal. Yields what is told how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console, disable=not console.is_terminal)
    task = bar.add_task(what, total=whole)
    said = time.monotonic()

    def tell(done: int) -> None:
        nonlocal said
        bar.update(task, completed=done)
        if not console.is_terminal and (time.monotonic() - said > _SECONDS_BETWEEN_PLAIN_LINES or done == whole):
            said = time.monotonic()
            console.print(f"{what}: {done} of {whole}", highlight=False)

    with bar:
        yield tell
