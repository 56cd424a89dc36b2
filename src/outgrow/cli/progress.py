"""What a person sees of long work: a live bar at a terminal; plain lines, soon and then at growing gaps, in a file or a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..core.amounts import duration, money
from .console import errors, strip_control_chars
from .eta import eta, seconds_left, speed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.progress import Progress, TaskID

    from ..core.callbacks import OnProgress, OnWritten, Written
    from ..engines import Tally
    from ..runs.cost import Spent
    from ..train.job import StepResult

clock = time.monotonic
"""Seconds. Tests put another one in its place."""

_FIRST_S = 5.0  # until the first line; each gap is twice the one before
_LONGEST_GAP_S = 60.0
_REDRAW_S = 0.1
_REPEATED_WARNINGS = 3


@contextmanager
def counting(what: str, total: int, unit: str) -> "Iterator[OnProgress]":
    """Show how far some work is, with an ETA. Give what takes how many things of `total` are done.

    unit: what the things are, in the plural.
    """
    from ..core.callbacks import Written

    first: list[int] = []  # done before

    with _shown(what, total, unit) as work:

        def show(done: int) -> None:
            first[:] = first or [done]
            work(Written(done, 0, first[0]))

        yield show


@contextmanager
def answering(what: str, total: int, max_tokens: int) -> "Iterator[Tally]":
    """Show how many of `total` answers are there, their tokens, and an ETA. Give what counts them.

    max_tokens: the longest answer.
    """
    from ..engines import Tally

    with _shown(what, total, "answers", max_tokens) as work:
        yield Tally(work)


@contextmanager
def measurements() -> "Iterator[Display]":
    """Give what shows one measurement after the other (see `Display.answering`)."""
    with Display(errors) as display:
        yield display


class Display:
    """Shows work after work at one console. Use as a context manager around them."""

    def __init__(self, console: "Console") -> None:
        self.console = console
        self.bar = _bar(console)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.stop()

    def answering(self, what: str, total: int) -> "OnWritten":
        """Show how many of `total` answers are there, once they take longer than a few seconds."""
        return _Work(self, what, total, "answers", brief=True)


class Terminal(Display):
    """Shows a run or a flywheel (see `train.watcher.Watcher`)."""

    _task: "TaskID | None"  # the bar of the steps, once there are steps

    def __init__(self, console: "Console", above: str = "") -> None:
        """above: a line to print above the first part of a run. A run that is refused before is told in one line."""
        super().__init__(console)
        self._above = above
        self._begin()

    def stage(self, text: str) -> None:
        """Leave the bars of the stage before as they are, and begin new ones under a heading."""
        self.bar.stop()
        self._line(text, "bold")
        self.bar = _bar(self.console)
        self._begin()
        self.bar.start()

    def phase(self, text: str) -> None:
        """Print the name of a part of the run."""
        if self._above:
            self._line(self._above, "")
            self._above = ""
        self._line(text, "bold")

    def warn(self, text: str) -> None:
        """Print something a person should read."""
        self._line(text, "yellow")

    def _line(self, text: str, style: str) -> None:
        """Print a line that may quote a file of others."""
        self.console.print(strip_control_chars(text), style=style, markup=False, highlight=False, soft_wrap=True)

    def worse(self, lines: "Sequence[str]") -> None:
        """Print that held-out problems got worse."""
        print_worse(self.console, lines)

    def training(self, done: int, steps: int) -> None:
        """Begin the bar of the steps."""
        self._steps, self._done_before, self._began = steps, done, clock()
        self._lines = _Schedule(self._began)
        self._task = self.bar.add_task("training", total=steps, completed=done, figures="")

    def step(self, result: "StepResult", spent: "Spent") -> None:
        """Move the bar of the steps, and print its alarms and its warning; of many warnings the first three."""
        for alarm in result.alarms:
            self.warn(alarm)
        if result.warning:
            self._warned += 1
            if self._warned <= _REPEATED_WARNINGS:
                hidden = "  (further warnings of this kind hidden)" if self._warned == _REPEATED_WARNINGS else ""
                self.warn(result.warning + hidden)
        done = int(result.metrics["step"])
        left = (clock() - self._began) / (done - self._done_before) * (self._steps - done)
        figures = f"{_figures(result.metrics, spent)}  {eta(left)}"
        assert self._task is not None
        self.bar.update(self._task, completed=done, figures=figures)
        if self._lines.due(clock()) or done == self._steps:
            _print_plain(self.console, f"step {done}/{self._steps}  {figures}")

    def _begin(self) -> None:
        self._task = None
        self._steps = self._done_before = self._warned = 0
        self._began = clock()
        self._lines = _Schedule(self._began)


@contextmanager
def _shown(what: str, total: int, unit: str, max_tokens: int | None = None) -> "Iterator[_Work]":
    with Display(errors) as display:
        work = _Work(display, what, total, unit, max_tokens)
        try:
            yield work
        except BaseException:
            if work.shown:  # an error that comes at once is one line
                work.close()
            raise
        work.close()


class _Schedule:
    """When a log gets its lines: after a few seconds, then at gaps that grow up to a minute."""

    def __init__(self, began: float) -> None:
        self._next, self._gap = began + _FIRST_S, _FIRST_S

    def due(self, now: float) -> bool:
        """Whether it is time for a line. If so, the next one comes after a longer gap."""
        if now < self._next:
            return False
        self._gap = min(2 * self._gap, _LONGEST_GAP_S)
        self._next = now + self._gap
        return True


class _Work:
    """One piece of work. It is called with how much of it is done."""

    def __init__(
        self, display: Display, what: str, total: int, unit: str, max_tokens: int | None = None, brief: bool = False
    ) -> None:
        """brief: show it only once it takes longer than a few seconds, and drop its bar when it is done."""
        from ..core.callbacks import Written

        self._display, self._what, self._total, self._unit, self._max_tokens = display, what, total, unit, max_tokens
        self._brief, self._over = brief, False
        self._began = self._drawn = clock()
        self._lines = _Schedule(self._began)
        self._latest = Written()
        self.shown = ""  # the last line
        self._task: TaskID | None = None

    def __call__(self, written: "Written") -> None:
        self._latest = written
        now, done = clock(), written.answers >= self._total
        if self._over or (self._brief and now - self._began < _FIRST_S):
            return
        if done and self._brief:
            self.close()
        elif self._display.console.is_terminal:
            if done or now - self._drawn >= _REDRAW_S:
                self._draw(now)
        elif self._lines.due(now):
            self._show(now)

    def close(self) -> None:
        """Show how much was done, and how long it took."""
        self._over = True
        self._show(clock())
        if self._brief and self._task is not None:
            self._display.bar.remove_task(self._task)

    def _show(self, now: float) -> None:
        if not self._total:
            return
        if self._display.console.is_terminal:
            self._draw(now)
            return
        answers = self._latest.answers  # more than expected where a judge is asked again
        done = f"{self._what}: {answers:,} of {max(answers, self._total):,} {self._unit}"
        line = ", ".join(filter(None, (done, self._text(now))))
        if line != self.shown:
            self.shown = line
            _print_plain(self._display.console, line)

    def _draw(self, now: float) -> None:
        self._drawn = now
        if self._task is None:
            self._task = self._display.bar.add_task(self._what, total=self._total, figures="")
        self._display.bar.update(self._task, completed=self._latest.answers, figures=self._text(now))

    def _text(self, now: float) -> str:
        """Return how many tokens are written and how long the rest takes, or the whole took."""
        written, seconds = self._latest, now - self._began
        parts = [speed(written.tokens, seconds)] if written.tokens else []
        if self._over or written.answers >= self._total:
            parts.append(f"after {duration(seconds)}")
        elif seconds > 0:
            parts.append(eta(seconds_left(self._total, written, seconds, self._max_tokens)))
        return ", ".join(parts)


def _bar(console: "Console") -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        redirect_stdout=not console.stderr,  # what a command prints to stdout stays there
    )


def print_worse(console: "Console", lines: "Sequence[str]") -> None:
    """Print that held-out problems got worse: by how much in red, then why and what to change."""
    for place, line in enumerate(lines):
        style = "bold red" if place == 0 else "red"
        console.print(strip_control_chars(line), style=style, markup=False, highlight=False, soft_wrap=True)


def _print_plain(console: "Console", line: str) -> None:
    """Print a line where the output is no terminal."""
    if not console.is_terminal:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _figures(metrics: dict[str, float], spent: "Spent") -> str:
    cost = f"  {money(spent.dollars)}" if spent.dollars else ""
    if "rollouts/pass_rate" in metrics:
        return f"pass rate {metrics['rollouts/pass_rate']:.2f}  length {metrics['rollouts/mean_tokens']:.0f}{cost}"
    return f"loss {metrics['train/loss']:.3f}{cost}"
