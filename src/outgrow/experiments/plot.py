"""The picture of an experiment: pass rate by rollouts, an arm a line, its interval over the seeds as a band."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import UsageError
from ..core.files import write_atomic
from ..evaluate.statistics import seeds_ci95
from .compare import FEWEST_SEEDS
from .experiment import Experiment, Set
from .measure import AnyResult
from .rl_result import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOOKS = 24  # places along the axis at which arms are averaged


def require_matplotlib() -> None:
    """Raise UsageError where it is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError('the lab draws with matplotlib; install it with: pip install "outgrow[lab]"') from error


def draw(experiment: Experiment, results: Mapping[str, AnyResult], path: Path) -> None:
    """Write an SVG, the same bytes for the same results."""
    import io

    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = experiment.name
    matplotlib.rcParams["svg.fonttype"] = "none"
    figure, axes = pyplot.subplots(
        1, len(experiment.on), figsize=(1.5 + 6.5 * len(experiment.on), 4.2), squeeze=False, layout="constrained"
    )
    for at, one in zip(axes[0], experiment.on, strict=True):
        _draw_set(at, experiment, one, results)
    sink = io.BytesIO()
    figure.savefig(sink, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    write_atomic(path, sink.getvalue())


def _draw_set(axes: "Axes", experiment: Experiment, one: Set, results: Mapping[str, AnyResult]) -> None:
    for number, arm in enumerate(experiment.arms_on(one)):
        curves = [
            results[run.key].curve for run in experiment.runs if (run.on, run.arm) == (one.name, arm.name) and run.key in results
        ]
        if not curves:
            continue
        last = min(curve[-1].rollouts for curve in curves)
        places = np.linspace(max(curve[0].rollouts for curve in curves), last, _LOOKS)
        rates = np.array([_at(curve, places) for curve in curves])
        colour = f"C{number}" if arm.name != experiment.baseline else "0.35"
        axes.plot(places, rates.mean(axis=0), color=colour, label=arm.name, linewidth=1.6)
        if len(curves) >= FEWEST_SEEDS:
            bands = np.array([seeds_ci95(column.tolist()) for column in rates.T])
            axes.fill_between(places, bands[:, 0], bands[:, 1], color=colour, alpha=0.13, linewidth=0)
    axes.set_xlabel("rollouts written")
    axes.set_ylabel(experiment.kind.rate)
    axes.set_title(one.name)
    axes.grid(alpha=0.25)
    axes.legend(fontsize="small", frameon=False)


def _at(curve: list[Point], places: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[float]:
    found: list[float] = np.interp(places, [p.rollouts for p in curve], [p.pass_rate for p in curve]).tolist()
    return found
