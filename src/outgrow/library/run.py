"""Training as a function: a run in its folder, and what came of it."""

import logging
import math
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from typing import Any

from ..core.errors import OutgrowError, UsageError
from ..core.estimate import Estimate
from ..report import write_report
from ..runs.cost import Budget, BudgetReached
from ..runs.folder import RunFolder, pass_at_1
from ..runs.signals import StopRequested
from ..train import loop
from ..train.watcher import SilentWatcher, Watcher
from .recipe import AnyRecipe, load


@dataclass(frozen=True)
class Run:
    """A run and its result. Its folder is an argument of `evaluate` and `load`, as a model and as a recipe."""

    path: Path
    """The folder: recipe.toml, metrics.jsonl, rollouts, checkpoints, report.html."""
    finished: bool
    """Whether every step is done and measured. A spent budget ends a run before that; `resume` continues it."""
    before: Estimate | None = None
    """pass@1 on the recipe's suite before training, with its 95% interval; None in a run that is not finished."""
    after: Estimate | None = None
    """pass@1 after training."""
    change: Estimate | None = None
    """after − before, problem by problem."""
    summary: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """All figures of summary.json; empty in a run that is not finished."""


class LoggingWatcher(SilentWatcher):
    """Shows no progress. What a person should read goes to the logger "outgrow" as a warning."""

    def warn(self, text: str) -> None:
        """Log a warning."""
        logging.getLogger("outgrow").warning(text)


def train(
    recipe: AnyRecipe,
    out: str | Path | None = None,
    *,
    budget_hours: float | None = None,
    budget_usd: float | None = None,
    watcher: Watcher | None = None,
    **changes: Any,
) -> Run:
    """Train by a recipe in a new folder, measure before and after, and write the report.

    recipe, changes: as `load` takes them.
    out: the folder. Default: runs/NAME.
    budget_hours, budget_usd: the run is saved and ends once it has taken this much.
    watcher: is told of each step, see SilentWatcher. Default: shows no progress, and warnings go to the logger "outgrow".
    Raises UsageError where the recipe or the folder cannot be used, OutgrowError where training fails. Ctrl-C saves the run first.

    >>> import tempfile
    >>> short = {"learn": {"steps": 1, "problems_per_step": 2}, "evaluate": {"every": 0, "samples": 1, "suite": "micro-validation"}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = train("micro", f"{folder}/run", **short)
    >>> run.finished, run.before.n, run.change.low <= run.change.value <= run.change.high
    (True, 190, True)
    """
    loaded = load(recipe, **changes)
    path = Path("runs", loaded.name) if out is None else Path(out)
    told = watcher or LoggingWatcher()
    return _run(path, lambda budget: loop.train(loaded, path, told, budget), budget_hours, budget_usd)


def resume(
    path: str | Path,
    *,
    budget_hours: float | None = None,
    budget_usd: float | None = None,
    watcher: Watcher | None = None,
    accept_loss: bool = False,
) -> Run:
    """Continue a run that was stopped, exactly where its newest checkpoint stands. A finished run is returned as it is.

    budget_hours, budget_usd: of all its sessions together. watcher: as in `train`. Raises as `train` does, and OutgrowError where
    files that belong to the checkpoint are lost; accept_loss: go on without them.
    """
    folder, told = Path(path), watcher or LoggingWatcher()
    return _run(folder, lambda budget: loop.resume(folder, [], told, budget, accept_loss=accept_loss), budget_hours, budget_usd)


def load_run(path: str | Path) -> Run:
    """Return the result of a run that is there. Raises UsageError where this is not a run's folder.

    >>> load_run("runs/none")
    Traceback (most recent call last):
    outgrow.core.errors.UsageError: runs/none: no run here (no recipe.toml)
    """
    files = RunFolder(Path(path))
    if not files.is_run():
        raise UsageError(f"{path}: no run here (no recipe.toml)")
    if not files.summary.exists():
        return Run(files.path, finished=False)
    try:
        summary = files.read_summary()
        before, after, change = (pass_at_1(summary[part]) for part in ("before", "after", "paired_delta"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutgrowError(f"{files.summary}: cannot read this summary ({error})") from error
    return Run(files.path, True, before, after, change, summary)


def _run(path: Path, work: Callable[[Budget], object], hours: float | None, usd: float | None) -> Run:
    budget = Budget(_limit("budget_hours", hours), _limit("budget_usd", usd))
    with _as_in_python(), suppress(BudgetReached):  # what was asked for: the run is saved
        work(budget)
    write_report(path)
    return load_run(path)


def _limit(name: str, value: float | None) -> float:
    """Return a limit of a budget, infinite where none is given. Raises UsageError where it is no number from 0 on."""
    if value is None:
        return math.inf
    if not isinstance(value, Real) or not value >= 0:
        raise UsageError(f"{name}={value!r}: give a number of 0 or more")
    return float(value)


@contextmanager
def _as_in_python() -> Iterator[None]:
    """Turn a signal that a run has answered, by saving itself, into what the signal means in Python."""
    try:
        yield
    except StopRequested as stop:
        if stop.exit_code == 128 + signal.SIGINT:
            raise KeyboardInterrupt from stop
        raise SystemExit(stop.exit_code) from stop
