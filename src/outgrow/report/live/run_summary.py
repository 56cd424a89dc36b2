"""The summary of one run in the list: small, and read on as its files grow."""

import time
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from ...core.errors import DAMAGED, OutgrowError, reason
from ...core.estimate import Estimate
from ...core.figure_lines import parsed_figures
from ...core.row_table import AppendedLines
from ...evaluate import Evaluation
from ...evaluate.statistics import mean_estimate
from ...evaluate.worse import read_worse
from ...runs.folder import RunFolder, pass_at_1, read_recipe
from ...runs.sessions import Session, read_sessions
from ...runs.warning_log import read_warnings
from ..cells import tone
from ..curves import mean, smooth, smoothing_width
from .stamps import Stamp, stamp_of

_RECENT = 120.0  # a run that wrote in the last 120 seconds counts as training
_LATEST_STEPS = 20  # steps whose time says how long the others will take
_LATEST_LINES = 200  # lines of timings that are kept of these steps
_SPARK_POINTS = 60
_NO_STEP = ("loading", "lost", "evaluation_before", "evaluation_after")  # phases that no further step repeats
_DAMAGED = (OSError, *DAMAGED)  # what files of a stranger raise

STATES = ("training", "finished", "stopped", "failed", "cannot be read")
"""What a run may be doing; `stopped` is also a run that was killed."""


@dataclass(frozen=True)
class RunRow:
    """What the list shows of a run. Times are seconds since 1970."""

    name: str
    wrote: float
    """When one of its files was last written."""
    error: str = ""
    """Why the run cannot be read; the fields below are empty then."""
    recipe: str = ""
    model: str = ""
    suite: str = ""
    seed: int | None = None
    lr: float | None = None
    tags: tuple[str, ...] = ()
    steps_done: int = 0
    steps: int = 0
    started: float | None = None
    seconds: float = 0.0
    """Time spent, over all sessions."""
    seconds_left: float | None = None
    """Time that the rest takes at the speed of the last steps; None before the first step, and where nothing is left."""
    sparkline: str = ""
    """Points of the smoothed training pass rate in a box of 100 by 24; empty for fewer than two steps."""
    before: Estimate | None = None
    after: Estimate | None = None
    change: Estimate | None = None
    warnings: int = 0
    ended: str = ""
    """How the last session ended (see `Session.end`); empty while it runs, and where it was killed."""
    ending: str = ""
    """The same in a few words."""
    finished: bool = False
    worse: bool = False
    """Whether held-out problems got worse beyond chance."""

    @property
    def state(self) -> str:
        """What the run is doing, one of STATES."""
        if self.error or self.finished:
            return "cannot be read" if self.error else "finished"
        if self.ended:
            return "failed" if self.ended == "error" else "stopped"
        return "training" if time.time() - self.wrote < _RECENT else "stopped"

    @property
    def tone(self) -> str:
        """Colour of the result: gain, loss or none."""
        return tone(self.change)


class _Metrics:
    """What the list shows of metrics.jsonl: the steps done, and the pass rates as four bytes a step."""

    def __init__(self, path: Path) -> None:
        self._lines = AppendedLines(path)
        self._clear()

    def _clear(self) -> None:
        self.done = 0
        self._rates = array("f")
        self.sparkline = ""

    def read_on(self) -> None:
        """Read what was appended."""
        again, lines = self._lines.read()
        if again:
            self._clear()
        for row in parsed_figures(lines):
            self.done = int(row["step"])
            if "rollouts/pass_rate" in row:
                self._rates.append(row["rollouts/pass_rate"])
        if again or lines:
            self.sparkline = _sparkline(self._rates)


class _Timings:
    """What the list shows of timings.jsonl: seconds by phase, and those of the last steps."""

    def __init__(self, path: Path) -> None:
        self._lines = AppendedLines(path)
        self._clear()

    def _clear(self) -> None:
        self._latest: deque[Mapping[str, float]] = deque(maxlen=_LATEST_LINES)
        self.seconds = 0.0
        self._before = 0.0  # seconds of the measurement before training

    def read_on(self) -> None:
        """Read what was appended."""
        again, lines = self._lines.read()
        if again:
            self._clear()
        for row in parsed_figures(lines):
            self.seconds += sum(seconds for phase, seconds in row.items() if phase != "step")
            self._before += row.get("evaluation_before", 0.0)
            self._latest.append(row)

    def left(self, done: int, steps: int) -> float | None:
        """Return the seconds of the steps and of the measurement that are left, from those of the last steps."""
        latest = range(max(0, done - _LATEST_STEPS) + 1, done + 1)
        rows = [row for row in self._latest if row["step"] in latest]
        if not rows:
            return None
        spent = sum(seconds for row in rows for phase, seconds in row.items() if phase != "step" and phase not in _NO_STEP)
        return spent / len(latest) * (steps - done) + self._before


class RunSummary:
    """Makes the row of one run. What its small files say is read again when one of them has changed.

    Safe to use from several threads.
    """

    def __init__(self, run: Path) -> None:
        self._run, files = run, RunFolder(run)
        small = (files.recipe, files.warnings, files.sessions, files.summary, files.worse)
        self._small = [str(file) for file in (*small, files.evaluation("before"), files.evaluation("after"))]
        self._grow = [str(files.metrics), str(files.timings)]
        self._stamps: list[Stamp | None] | None = None
        self._lock = Lock()
        self._row: RunRow | None = None
        self._forget()

    def _forget(self) -> None:
        files = RunFolder(self._run)
        self._metrics, self._timings = _Metrics(files.metrics), _Timings(files.timings)

    def look(self) -> list[Stamp | None]:
        """Return the stamps of its files as they are now."""
        return [stamp_of(file) for file in (*self._small, *self._grow)]

    def row(self, stamps: list[Stamp | None]) -> RunRow:
        """Return the row. stamps: of its files now."""
        with self._lock:
            if self._row is None or self._stamps != stamps:
                self._row = self._read(max((stamp[0] for stamp in stamps if stamp), default=0) / 1e9, stamps)
                self._stamps = stamps
            return self._row

    def _read(self, wrote: float, stamps: list[Stamp | None]) -> RunRow:
        run = self._run
        try:
            small = len(self._small)
            if self._row is None or self._row.error or self._stamps is None or self._stamps[:small] != stamps[:small]:
                self._facts = _Facts.read(run)
            files = RunFolder(run)
            for path, file in ((files.metrics, self._metrics), (files.timings, self._timings)):
                try:
                    file.read_on()
                except _DAMAGED as error:
                    raise OutgrowError(f"{path}: cannot be read ({reason(error)})") from error
            return self._facts.row(wrote, self._metrics, self._timings)
        except OutgrowError as error:
            self._forget()
            return RunRow(run.name, wrote, str(error))
        except _DAMAGED as error:  # one run must not hide the others
            self._forget()
            return RunRow(run.name, wrote, f"{run}: one of its files is damaged ({type(error).__name__}: {reason(error)})")


@dataclass(frozen=True)
class _Facts:
    """What the files of a run say that do not grow with its steps."""

    row_of: RunRow
    """The row without steps and times."""
    ended_early: bool

    @classmethod
    def read(cls, run: Path) -> "_Facts":
        """Read the recipe, the sessions, the warnings and what was measured."""
        files, sessions, worse = RunFolder(run), read_sessions(run), read_worse(run)
        recipe, _ = read_recipe(run)
        estimates = _measured(files)
        row = RunRow(
            name=run.name,
            wrote=0.0,
            recipe=recipe.name,
            model=recipe.policy.model or "a new micro policy",
            suite=recipe.evaluate.suite,
            seed=recipe.seed,
            lr=recipe.learn.lr,
            tags=tuple(dict.fromkeys(recipe.run.tags)),
            steps=recipe.learn.steps,
            started=_started(sessions, files),
            warnings=sum(not line.note for line in read_warnings(run)),
            ended=sessions[-1].end or "" if sessions else "",
            ending=str(sessions[-1].state()) if sessions and sessions[-1].end else "",
            worse=worse is not None,
            before=estimates.get("before"),
            after=estimates.get("after"),
            change=estimates.get("change"),
        )
        return cls(row, worse is not None and worse.policy_step is not None)

    def row(self, wrote: float, metrics: _Metrics, timings: _Timings) -> RunRow:
        """Return the whole row."""
        row, done = self.row_of, metrics.done
        finished = row.after is not None and (done >= row.steps or self.ended_early)
        return replace(
            row,
            wrote=wrote,
            steps_done=done,
            seconds=timings.seconds,
            seconds_left=None if finished else timings.left(done, row.steps),
            sparkline=metrics.sparkline,
            finished=finished,
        )


def _started(sessions: Sequence[Session], files: RunFolder) -> float | None:
    """Return when the run began: its first session says so, or its oldest file; None where it has neither."""
    if sessions:
        return float(sessions[0].began)
    stamps = [stamp for file in (files.recipe, files.data, files.evaluation("before")) if (stamp := stamp_of(file))]
    return min((stamp[0] for stamp in stamps), default=0) / 1e9 or None


def _measured(files: RunFolder) -> dict[str, Estimate]:
    """Return pass@1 before and after training and its change, as far as measured."""
    if stamp_of(files.summary):
        try:
            summary = files.read_summary()
            parts = {"before": "before", "after": "after", "change": "paired_delta"}
            return {name: _as_numbers(pass_at_1(summary[part])) for name, part in parts.items()}
        except _DAMAGED as error:
            raise OutgrowError(f"{files.summary}: cannot be read ({reason(error)})") from error
    rates = {
        when: Evaluation.load(file).pass_rates()
        for when, file in (("before", files.evaluation("before")), ("after", files.evaluation("after")))
        if stamp_of(file)
    }
    estimates = {when: mean_estimate(list(values.values())) for when, values in rates.items()}
    if len(rates) == 2 and rates["before"].keys() == rates["after"].keys():
        estimates["change"] = mean_estimate([rates["after"][problem] - rate for problem, rate in rates["before"].items()], least=-1)
    return {name: estimate for name, estimate in estimates.items() if estimate}


def _as_numbers(estimate: Estimate) -> Estimate:
    """Return an estimate of a file that may hold anything. Raises TypeError or ValueError where it holds no numbers."""
    return Estimate(float(estimate.value), float(estimate.low), float(estimate.high), int(estimate.n))


def _sparkline(rates: Sequence[float]) -> str:
    line = smooth(rates, smoothing_width(len(rates)))
    size = max(1, -(-len(line) // _SPARK_POINTS))
    points = [value for first in range(0, len(line), size) if (value := mean(line[first : first + size])) is not None]
    if len(points) < 2:
        return ""
    return " ".join(f"{100 * index / (len(points) - 1):.0f},{23 - 22 * rate:.1f}" for index, rate in enumerate(points))
