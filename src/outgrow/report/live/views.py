"""The runs as the live pages show them; a run is read again when one of its files has changed."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...core.changes import sentence
from ...core.errors import DAMAGED, OutgrowError, reason
from ...evaluate import Evaluation
from ...evaluate.change import Comparison, compare
from ...evaluate.compare import Against, Side, against, unlike
from ...problems.held_out import HELD_OUT
from ...runs.folder import RunFolder
from ..cells import tone
from ..chart import Chart
from ..charts import chart_groups, learning_charts
from ..curves import figure_keys, smoothing_width
from ..data import RunData, read_run
from ..figures import curves
from ..words import headline
from .recipes import KeyDifference, recipe_differences
from .rollouts import stamp_of

_MARGIN = 0.02
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


def _read_files(run: Path) -> list[Path]:
    """Return the files that a run's pages are made from."""
    files = RunFolder(run)
    evaluations = [*_own_evaluations(run), *files.evals.glob("*/*.parquet")]
    return [
        files.recipe, files.metrics, files.timings, files.sessions, *evaluations, files.calibration, files.drift, files.worse
    ]  # fmt: skip


def _own_evaluations(run: Path) -> list[Path]:
    return [RunFolder(run).evaluation("before"), RunFolder(run).evaluation("after")]


def run_names(folder: Path) -> list[str]:
    """Return the names of the runs in a folder."""
    return [path.name for path in folder.iterdir() if stamp_of(RunFolder(path).recipe)]


def view(run: Path) -> View:
    """Return a run as it stands now."""
    return _view(run, tuple(stamp_of(file) for file in _read_files(run)))


@lru_cache(maxsize=64)
def _view(run: Path, stamps: tuple[Any, ...]) -> View:
    try:
        data = read_run(run, visits_too=False)
        return View(run.name, run, data, _pass_at_1(run, tuple(stamp_of(file) for file in _own_evaluations(run))))
    except OutgrowError as error:
        return View(run.name, run, error=str(error))
    except (OSError, *DAMAGED) as error:  # one run must not hide the others
        return View(run.name, run, error=f"{run}: one of its files is damaged ({type(error).__name__}: {reason(error)})")


@lru_cache(maxsize=64)
def _pass_at_1(run: Path, stamps: tuple[Any, ...]) -> Comparison | None:
    """Return pass@1 before and after training. It takes a second, and stays the same while a run trains."""
    before, after = (Evaluation.load(file) if stamp else None for file, stamp in zip(_own_evaluations(run), stamps, strict=True))
    return compare(before, after).get("pass@1")


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
            steps = sorted({row["step"] for run in runs for row in run.metrics})
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


def _at_steps(steps: list[float], rows: list[dict[str, float]], key: str) -> list[float | None]:
    """Return a metric at these steps, None where a run has not reached a step."""
    values = {row["step"]: row.get(key) for row in rows}
    return [values.get(step) for step in steps]
