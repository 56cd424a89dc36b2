"""The list of runs: a small summary of each run, which is read again when one of its files has changed."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...config import Recipe
from ...core.errors import DAMAGED, OutgrowError
from ...core.estimate import Estimate
from ...core.figure_lines import read_figures
from ...evaluate import Evaluation
from ...evaluate.statistics import mean_estimate
from ...evaluate.worse import read_worse
from ...runs.cost import seconds_by_phase
from ...runs.folder import RunFolder, pass_at_1, read_recipe
from ...runs.sessions import Session, read_sessions
from ...runs.warning_log import read_warnings
from ..cells import tone
from ..curves import mean, smooth, smoothing_width
from .rollouts import stamp_of

_RECENT = 120.0  # a run that wrote in the last 120 seconds counts as training
_LATEST_STEPS = 20  # steps whose time says how long the others will take
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


SORTS: Mapping[str, Callable[[RunRow], Any]] = {
    "name": lambda row: row.name.casefold(),
    "started": lambda row: row.started,
    "left": lambda row: row.seconds_left if row.state == "training" else None,
    "recipe": lambda row: row.recipe.casefold() or None,
    "model": lambda row: row.model.casefold() or None,
    "lr": lambda row: row.lr,
    "steps": lambda row: None if row.error else row.steps_done,
    "before": lambda row: row.before and row.before.value,
    "after": lambda row: row.after and row.after.value,
    "change": lambda row: row.change and row.change.value,
}
"""Order of the list -> what it sorts by; None comes last."""


ORDERS: Mapping[str, str] = {
    "": "last written first",
    "-started": "last started first",
    "name": "name",
    "recipe": "recipe",
    "model": "model",
    "-lr": "largest learning rate first",
    "left": "least time left first",
    "-after": "best after training first",
    "-change": "largest gain first",
    "change": "largest loss first",
}
"""Orders that the page's form offers; the headings of the columns offer the others too."""


def matching(rows: Iterable[RunRow], words: str = "", tags: Sequence[str] = (), state: str = "") -> list[RunRow]:
    """Return the runs that have every word in their name, recipe, model or tags, all of these tags, and this state."""
    wanted = words.casefold().split()
    return [
        row
        for row in rows
        if all(word in "\n".join((row.name, row.recipe, row.model, *row.tags)).casefold() for word in wanted)
        and set(tags) <= set(row.tags)
        and state in ("", row.state)
    ]


def ordered(rows: Sequence[RunRow], order: str) -> list[RunRow]:
    """Return the runs in an order of SORTS, largest first with a `-` before its name; in any other order, as they are."""
    key = SORTS.get(order.removeprefix("-"))
    if key is None:
        return list(rows)
    known = [row for row in rows if key(row) is not None]
    return [*sorted(known, key=key, reverse=order.startswith("-")), *(row for row in rows if key(row) is None)]


class Listing:
    """The runs of a folder. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[tuple[Any, ...], RunRow]] = {}

    def rows(self) -> list[RunRow]:
        """Return all runs, the last that wrote first."""
        names = [path.name for path in self._folder.iterdir() if stamp_of(RunFolder(path).recipe)]
        for gone in self._known.keys() - names:
            self._known.pop(gone, None)
        return sorted(map(self.row, names), key=lambda row: -row.wrote)

    def row(self, name: str) -> RunRow:
        """Return a run of the folder as it stands now."""
        run = self._folder / name
        stamps = tuple(stamp_of(file) for file in _summary_files(run))
        known = self._known.get(name)
        if known and known[0] == stamps:
            return known[1]
        row = _read(run, max((stamp[0] for stamp in stamps if stamp), default=0) / 1e9)
        self._known[name] = stamps, row
        return row


def _summary_files(run: Path) -> list[Path]:
    files = RunFolder(run)
    evaluations = (files.evaluation("before"), files.evaluation("after"))
    own = [files.recipe, files.metrics, files.timings, files.warnings, files.sessions, files.summary, files.worse]
    return [*own, *evaluations]


def _read(run: Path, wrote: float) -> RunRow:
    try:
        recipe, _ = read_recipe(run)
        return _summary(run, wrote, recipe)
    except OutgrowError as error:
        return RunRow(run.name, wrote, str(error))
    except _DAMAGED as error:  # one run must not hide the others
        return RunRow(run.name, wrote, f"{run}: one of its files is damaged ({type(error).__name__}: {error})")


def _summary(run: Path, wrote: float, recipe: Recipe) -> RunRow:
    files, sessions = RunFolder(run), read_sessions(run)
    metrics, timings = read_figures(files.metrics), read_figures(files.timings)
    estimates = _measured(files)
    done = int(metrics[-1]["step"]) if metrics else 0
    worse = read_worse(run)
    ended_early = worse is not None and worse.policy_step is not None
    finished = "after" in estimates and (done >= recipe.learn.steps or ended_early)
    return RunRow(
        name=run.name,
        wrote=wrote,
        recipe=recipe.name,
        model=recipe.policy.model or "a new micro policy",
        suite=recipe.evaluate.suite,
        seed=recipe.seed,
        lr=recipe.learn.lr,
        tags=tuple(dict.fromkeys(recipe.run.tags)),
        steps_done=done,
        steps=recipe.learn.steps,
        started=_started(sessions, files),
        seconds=sum(seconds_by_phase(timings).values()),
        seconds_left=None if finished else _seconds_left(timings, done, recipe.learn.steps),
        sparkline=_sparkline([row["rollouts/pass_rate"] for row in metrics if "rollouts/pass_rate" in row]),
        warnings=len(read_warnings(run)),
        ended=sessions[-1].end or "" if sessions else "",
        ending=str(sessions[-1].state()) if sessions and sessions[-1].end else "",
        finished=finished,
        worse=worse is not None,
        before=estimates.get("before"),
        after=estimates.get("after"),
        change=estimates.get("change"),
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
            raise OutgrowError(f"{files.summary}: cannot be read ({error})") from error
    rates = {
        when: Evaluation.load(file).pass_rates()
        for when, file in (("before", files.evaluation("before")), ("after", files.evaluation("after")))
        if stamp_of(file)
    }
    estimates = {when: mean_estimate(list(values.values())) for when, values in rates.items()}
    if len(rates) == 2 and rates["before"].keys() == rates["after"].keys():
        estimates["change"] = mean_estimate([rates["after"][problem] - rate for problem, rate in rates["before"].items()])
    return {name: estimate for name, estimate in estimates.items() if estimate}


def _as_numbers(estimate: Estimate) -> Estimate:
    """Return an estimate of a file that may hold anything. Raises TypeError or ValueError where it holds no numbers."""
    return Estimate(float(estimate.value), float(estimate.low), float(estimate.high), int(estimate.n))


def _seconds_left(timings: Sequence[Mapping[str, float]], done: int, steps: int) -> float | None:
    """Return the seconds of the steps and of the measurement that are left, from those that are done."""
    latest = range(max(0, done - _LATEST_STEPS) + 1, done + 1)
    rows = [{key: value for key, value in row.items() if key not in _NO_STEP} for row in timings if row["step"] in latest]
    if not rows:
        return None
    a_step = sum(seconds_by_phase(rows).values()) / len(latest)
    return a_step * (steps - done) + seconds_by_phase(timings).get("evaluation_before", 0.0)


def _sparkline(rates: Sequence[float]) -> str:
    line = smooth(rates, smoothing_width(len(rates)))
    size = max(1, -(-len(line) // _SPARK_POINTS))
    points = [value for first in range(0, len(line), size) if (value := mean(line[first : first + size])) is not None]
    if len(points) < 2:
        return ""
    return " ".join(f"{100 * index / (len(points) - 1):.0f},{23 - 22 * rate:.1f}" for index, rate in enumerate(points))
