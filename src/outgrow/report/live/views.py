"""The runs as the live pages show them; a run is read again when one of its files has changed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...core.amounts import duration
from ...core.changes import sentence
from ...core.errors import OutgrowError
from ...evaluate.change import Comparison, compare
from ...evaluate.compare import Against, Side, against, unlike
from ...runs.folder import RunFolder
from ..cells import tone
from ..chart import Chart
from ..charts import chart_groups, learning_charts
from ..curves import figure_keys, smooth, smoothing_width, thin
from ..data import RunData, read_run
from ..figures import curves
from ..words import headline
from .rollouts import stamp_of

_RECENT = 120.0  # a run that wrote in the last 120 seconds counts as training
_MARGIN = 0.02
_COMPARED = {
    "rollouts/pass_rate": "Pass rate in training",
    "validation/pass_rate": "Validation",
    "reward/total": "Reward",
    "rollouts/mean_tokens": "Tokens per completion",
}


@dataclass(frozen=True)
class View:
    """A run as it was read."""

    name: str
    path: Path
    data: RunData | None = None
    comparisons: Mapping[str, Comparison] | None = None
    error: str = ""
    """Why the run cannot be read; everything else is empty then."""

    def read(self) -> RunData:
        """Return what was read. Raises OutgrowError where the run cannot be read."""
        if self.data is None:
            raise OutgrowError(self.error)
        return self.data

    @property
    def pass_at_1(self) -> Comparison | None:
        """pass@1 before and after training and its change, as far as measured."""
        return (self.comparisons or {}).get("pass@1")

    @property
    def tone(self) -> str:
        """Colour of the result: gain, loss or none."""
        return tone(self.pass_at_1.change if self.pass_at_1 else None)

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        if self.error:
            return "This run cannot be read."
        known = self.data and (self.data.after or self.data.before)
        return headline(self.pass_at_1, known.k if known else 0)

    @property
    def state(self) -> str:
        """finished, how the last session ended, training, or the time of the last update."""
        if self.data and self.data.finished:
            return "finished"
        if self.data and self.data.ending and self.data.ending.end:
            return self.data.ending.state()
        stamps = [stamp for file in _read_files(self.path) if (stamp := stamp_of(file))]
        seconds = time.time() - max((stamp[0] for stamp in stamps), default=0) / 1e9
        if seconds < _RECENT:
            return "training"
        return f"last update {duration(seconds)} ago"

    @property
    def sparkline(self) -> str:
        """Points of the smoothed training pass rate in a box of 100 by 24; empty for fewer than two steps."""
        rates = [row["rollouts/pass_rate"] for row in self.data.metrics if "rollouts/pass_rate" in row] if self.data else []
        line = [rate for rate in thin(smooth(rates, smoothing_width(len(rates)))) if rate is not None]
        if len(line) < 2:
            return ""
        return " ".join(f"{100 * index / (len(line) - 1):.1f},{23 - 22 * rate:.1f}" for index, rate in enumerate(line))

    def charts(self) -> list[tuple[str, list[Chart]]]:
        """Return the learning curves by group, with the measurements before and after training."""
        return chart_groups(learning_charts(self.data, self.pass_at_1)) if self.data and self.data.metrics else []


def _read_files(run: Path) -> list[Path]:
    """Return the files that a run's pages are made from."""
    files = RunFolder(run)
    evaluations = [files.evaluation("before"), files.evaluation("after"), *files.evals.glob("*/*.parquet")]
    return [
        files.recipe, files.metrics, files.timings, files.sessions, *evaluations, files.calibration, files.drift, files.worse
    ]  # fmt: skip


def run_names(folder: Path) -> list[str]:
    """Return the names of the runs in a folder, the last that wrote first."""
    runs = [path for path in folder.iterdir() if stamp_of(RunFolder(path).recipe)]
    return [path.name for path in sorted(runs, key=_wrote, reverse=True)]


def _wrote(run: Path) -> int:
    return max(stamp[0] for file in _read_files(run) if (stamp := stamp_of(file)))


def view(run: Path) -> View:
    """Return a run as it stands now."""
    return _view(run, tuple(stamp_of(file) for file in _read_files(run)))


@lru_cache(maxsize=64)
def _view(run: Path, stamps: tuple[Any, ...]) -> View:
    try:
        data = read_run(run, visits_too=False)
        return View(run.name, run, data, compare(data.before, data.after))
    except OutgrowError as error:
        return View(run.name, run, error=str(error))


@dataclass(frozen=True)
class Compared:
    """A run compared with the first one."""

    view: View
    verdict: str
    """The result in words, or why the two cannot be compared."""
    comparison: Against | None = None
    """None where the two cannot be compared."""


def compare_to_first(views: list[View]) -> list[Compared]:
    """Compare every run with the first one, by what was measured after training."""
    first, *others = views
    rows = [Compared(first, "cannot be read" if first.error else "the others are compared with this run")]
    for other in others:
        if unread := [view.name for view in (other, first) if view.error]:
            rows.append(Compared(other, f"cannot be read: {' and '.join(unread)}"))
            continue
        sides = [view.data.after if view.data else None for view in (other, first)]
        if sides[0] is None or sides[1] is None:
            rows.append(Compared(other, "one of the two is not yet measured after training"))
            continue
        try:
            side, baseline = Side(other.name, [sides[0]]), Side(first.name, [sides[1]])
            comparison = against(side, baseline, _MARGIN)
        except OutgrowError as error:
            rows.append(Compared(other, str(error)))
            continue
        if changed := unlike(side, baseline):
            rows.append(Compared(other, f"measured differently: {sentence(changed)}"))
            continue
        rows.append(Compared(other, comparison.verdict, comparison))
    return rows


def compared_charts(views: list[View]) -> list[Chart]:
    """Return charts that show the same metric of several runs."""
    runs = [(view.name, view.data.metrics) for view in views if view.data and view.data.metrics]
    charts = []
    for key, title in _COMPARED.items():
        having = [(name, rows) for name, rows in runs if key in figure_keys(rows)]
        if not having:
            continue
        steps = sorted({row["step"] for _, rows in having for row in rows})
        named = {name: _at_steps(steps, rows, key) for name, rows in having}
        share = key.endswith("/pass_rate")
        figure = curves(steps, named, "share right" if share else title.lower(), smoothing_width(len(steps)), share=share)
        charts.append(Chart(title, "", figure))
    return charts


def _at_steps(steps: list[float], rows: list[dict[str, float]], key: str) -> list[float | None]:
    """Return a metric at these steps, None where a run has not reached a step."""
    values = {row["step"]: row.get(key) for row in rows}
    return [values.get(step) for step in steps]
