"""The plot of an experiment: pass rate by rollouts or level, one line per arm, with its 95% interval over the seeds as a band."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import UsageError, install_hint
from ..core.files import write_atomic
from ..evaluate.statistics import seeds_ci95
from .compare import MIN_SEEDS
from .experiment import Condition, Experiment
from .measure import AnyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3  # plots next to each other
_POINTS = 24  # places at which an arm's curves are averaged


def require_matplotlib() -> None:
    """Raise UsageError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(f"outgrow lab needs matplotlib; install it with: {install_hint('lab')}") from error


def draw(experiment: Experiment, results: Mapping[str, AnyResult], path: Path) -> None:
    """Write the SVG. The same results give the same bytes."""
    import io

    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = experiment.name
    matplotlib.rcParams["svg.fonttype"] = "none"
    columns = min(len(experiment.on), _COLUMNS)
    rows = -(-len(experiment.on) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(1.5 + 6.5 * columns, 4.2 * rows), squeeze=False, layout="constrained")
    for subplot in axes.flat[len(experiment.on) :]:
        subplot.remove()
    for subplot, condition in zip(axes.flat, experiment.on, strict=False):
        _draw_condition(subplot, experiment, condition, results)
    sink = io.BytesIO()
    figure.savefig(sink, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    write_atomic(path, sink.getvalue())


def _draw_condition(axes: "Axes", experiment: Experiment, condition: Condition, results: Mapping[str, AnyResult]) -> None:
    for number, arm in enumerate(experiment.arms_on(condition)):
        curves = [
            experiment.kind.curve(results[trial.key])
            for trial in experiment.runs
            if (trial.on, trial.arm) == (condition.name, arm.name) and trial.key in results
        ]
        curves = [curve for curve in curves if len(curve) > 1]  # an arm of supervised fine-tuning measures nothing on its way
        if not curves:
            continue
        places = np.linspace(max(curve[0][0] for curve in curves), min(curve[-1][0] for curve in curves), _POINTS)
        rates = np.array([np.interp(places, [x for x, _ in curve], [y for _, y in curve]) for curve in curves])
        colour = f"C{number}" if arm.name != experiment.baseline else "0.35"
        axes.plot(places, rates.mean(axis=0), color=colour, label=arm.name, linewidth=1.6)
        if len(curves) >= MIN_SEEDS:
            bands = np.array([seeds_ci95(column.tolist()) for column in rates.T])
            axes.fill_between(places, bands[:, 0], bands[:, 1], color=colour, alpha=0.13, linewidth=0)
    axes.set_xlabel(experiment.kind.axis)
    axes.set_ylabel(experiment.kind.rate_label)
    axes.set_title(condition.name)
    axes.grid(alpha=0.25)
    if axes.lines:
        axes.legend(fontsize="small", frameon=False)
