"""The runs as the live pages show them; a file is read again, or read on, when it has changed."""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import get_args

from ...core.changes import sentence
from ...core.errors import DAMAGED, OutgrowError, reason
from ...core.row_table import FollowedRows, Rows
from ...evaluate import Evaluation
from ...evaluate.change import Comparison, compare
from ...evaluate.compare import Against, Side, against, unlike
from ...problems.held_out import HELD_OUT
from ...runs.folder import RunFolder, When
from ..cells import tone
from ..chart import Chart
from ..charts import chart_groups, learning_charts
from ..curves import figure_keys, smoothing_width, steps_of
from ..data import Readers, RunData, read_run
from ..figures import curves
from ..words import headline
from .recipes import KeyDifference, recipe_differences
from .rollouts import RolloutIndex
from .stamps import Stamp, stamp_of

Stamps = tuple[Stamp | None, ...]
_MARGIN = 0.02
_SAMPLE = 1500  # bytes that a sample of an evaluation takes, about
_COMPARED = {  # metric -> title
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
    pass_at_1: Comparison | None = None
    """pass@1 before and after training and its change, as far as measured."""
    error: str = ""
    """Why the run cannot be read; everything else is empty then."""
    stamps: Stamps = ()
    """Of the files that it was read from."""

    def read(self) -> RunData:
        """Return what was read. Raises OutgrowError where the run cannot be read."""
        if self.data is None:
            raise OutgrowError(self.error)
        return self.data

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

    def charts(self) -> list[tuple[str, list[Chart]]]:
        """Return the learning curves by group, with the measurements before and after training."""
        return chart_groups(learning_charts(self.data, self.pass_at_1)) if self.data and self.data.metrics else []


def run_folder(folder: Path, name: str) -> Path | None:
    """Return the run of this name in a folder; None where it has none. No name leads out of the folder."""
    path = folder / name
    inside = name not in ("", ".", "..") and path.name == name and path.parent == folder
    return path if inside and stamp_of(RunFolder(path).recipe) else None


class OpenRun:
    """A run whose pages are open. Each file is kept by its own stamp, one state of each. Safe to use from several threads."""

    def __init__(self, run: Path, share: float = 1.0) -> None:
        """share: of a core, for looking at its rollouts (see `Pause`)."""
        self.index = RolloutIndex(run, share)
        self._run, self._lock = run, Lock()
        self._rows: dict[Path, FollowedRows] = {}
        self._evaluations: dict[Path, tuple[Stamp | None, Evaluation]] = {}
        self._pass_at_1: tuple[list[Stamp | None], Comparison | None] | None = None
        self._view: View | None = None

    def view(self) -> View:
        """Return the run as it stands now."""
        with self._lock:
            stamps = tuple(stamp_of(file) for file in _read_files(self._run))
            if self._view is None or self._view.stamps != stamps:
                self._view = self._read(stamps)
            return self._view

    def nbytes(self) -> int:
        """Return about how many bytes it holds."""
        evaluations = sum(_SAMPLE * len(evaluation.samples) for _, evaluation in list(self._evaluations.values()))
        data = self._view.data if self._view else None
        return self.index.nbytes() + evaluations + (data.metrics.nbytes() + data.timings.nbytes() if data else 0)

    def _read(self, stamps: Stamps) -> View:
        run = self._run
        try:
            data = read_run(run, visits_too=False, readers=Readers(self._rows_of, self._evaluation))
            return View(run.name, run, data, self._compared(data), stamps=stamps)
        except OutgrowError as error:
            return View(run.name, run, error=str(error), stamps=stamps)
        except (OSError, *DAMAGED) as error:  # one run must not hide the others
            text = f"{run}: one of its files is damaged ({type(error).__name__}: {reason(error)})"
            return View(run.name, run, error=text, stamps=stamps)

    def _rows_of(self, path: Path) -> Rows:
        return self._rows.setdefault(path, FollowedRows(path)).read()

    def _evaluation(self, path: Path) -> Evaluation:
        stamp, known = stamp_of(path), self._evaluations.get(path)
        if known is None or known[0] != stamp:
            known = self._evaluations[path] = stamp, Evaluation.load(path)
        return known[1]

    def _compared(self, data: RunData) -> Comparison | None:
        """Return pass@1 before and after training. It takes a second, and stays the same while a run trains."""
        stamps = [stamp_of(RunFolder(self._run).evaluation(when)) for when in get_args(When)]
        if self._pass_at_1 is None or self._pass_at_1[0] != stamps:
            self._pass_at_1 = stamps, compare(data.before, data.after).get("pass@1")
        return self._pass_at_1[1]


def _read_files(run: Path) -> list[Path]:
    """Return the files that a run's pages are made from."""
    files = RunFolder(run)
    evaluations = [files.evaluation("before"), files.evaluation("after"), *files.evals.glob("*/*.parquet")]
    return [
        files.recipe, files.metrics, files.timings, files.sessions, files.warnings, files.actors, *evaluations, files.calibration,
        files.drift, files.worse,
    ]  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """A run compared with the first one."""

    view: View
    verdict: str
    """The result in words, or why the two cannot be compared."""
    comparison: Against | None = None
    """None where the two cannot be compared."""

    @property
    def tone(self) -> str:
        """Colour of the verdict: gain, loss or none."""
        return {"better": "gain", "worse": "loss"}.get(self.verdict.partition(",")[0], "none") if self.comparison else "none"


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


def changed_keys(views: list[View]) -> tuple[list[str], dict[str, list[KeyDifference]]]:
    """Return the runs whose recipes can be read, and by table the keys in which these differ."""
    readable = [(view.name, view.data.recipe) for view in views if view.data]
    return [name for name, _ in readable], recipe_differences([recipe.model_dump(mode="json") for _, recipe in readable])


def compared_charts(views: list[View]) -> list[Chart]:
    """Return charts that show the same metric of several runs. Runs whose shares are of different problems have a chart each."""
    charts = []
    for key, title in _COMPARED.items():
        share = key.endswith("/pass_rate")
        having = [view.data for view in views if view.data and key in figure_keys(view.data.metrics)]
        groups = _by_problems(having, key) if share else [having] if having else []
        for runs in groups:
            steps = sorted({step for run in runs for step in steps_of(run.metrics)})
            named = {run.name: _at_steps(steps, run.metrics, key) for run in runs}
            figure = curves(steps, named, "share right" if share else title.lower(), smoothing_width(len(steps)), share=share)
            text = f"of {', '.join(named)}: other problems than those of the other runs" if len(groups) > 1 else ""
            charts.append(Chart(title, text, figure))
    return charts


def _by_problems(runs: list[RunData], key: str) -> list[list[RunData]]:
    """Return the runs in groups whose shares are of the same problems: those practised on, or those of the validation suite."""
    groups: dict[str, list[RunData]] = {}
    for run in runs:
        validation = run.recipe.evaluate.validation if key.startswith("validation/") else HELD_OUT
        problems = run.recipe.model_dump_json(include={"problems"}) if validation == HELD_OUT else validation
        groups.setdefault(problems, []).append(run)
    return list(groups.values())


def _at_steps(steps: list[float], rows: Rows, key: str) -> list[float | None]:
    """Return a metric at these steps, None where a run has not reached a step."""
    values = dict(zip(rows.column("step"), rows.column(key), strict=True))
    return [values.get(step) for step in steps]
