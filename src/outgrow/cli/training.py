"""Commands that train: train, sft, resume."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from ..core.errors import UsageError
from .app import app
from .shared import Overrides, console, errors, example

if TYPE_CHECKING:
    from ..runs.cost import Budget


BudgetUSD = Annotated[
    float | None,
    typer.Option(
        "--budget-usd", min=0.0, help="Stop, saved, once the run has cost this many dollars (needs run.dollars_per_hour)."
    ),
]
BudgetHours = Annotated[
    float | None, typer.Option("--budget-hours", min=0.0, help="Stop, saved, once the run has taken this many hours.")
]


@app.command(
    epilog=example(
        "outgrow train micro --out runs/first", "outgrow train micro --set learn.steps=50 --set seed=3 --budget-hours 0.5"
    )
)
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")],
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; runs/RECIPE if left out.")] = None,
    overrides: Overrides = None,
    budget_usd: BudgetUSD = None,
    budget_hours: BudgetHours = None,
) -> None:
    """Train by reinforcement learning on checked answers, measure before and after, write the report."""
    _start(recipe, "rl", out, overrides, budget_usd, budget_hours)


@app.command(epilog=example("outgrow sft micro-base --out runs/base"))
def sft(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")],
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; runs/RECIPE if left out.")] = None,
    overrides: Overrides = None,
) -> None:
    """Fine-tune on written-out solutions (how a micro base model is made)."""
    _start(recipe, "sft", out, overrides)


def _start(
    name: str,
    kind: str,
    out: Path | None,
    overrides: list[str] | None,
    budget_usd: float | None = None,
    budget_hours: float | None = None,
) -> None:
    from ..config import load_recipe
    from ..train.loop import train as train_run
    from .progress import Terminal

    recipe = load_recipe(name, overrides or [])
    if recipe.kind != kind:
        raise UsageError(
            f"{name} is a recipe of kind {recipe.kind!r}; run it with: outgrow {'sft' if recipe.kind == 'sft' else 'train'} {name}"
        )
    path = out or Path("runs") / recipe.name
    with Terminal(console) as terminal, _told(path):
        train_run(recipe, path, terminal, _budget(budget_usd, budget_hours))
    _finish(path)


@app.command(epilog=example("outgrow resume runs/first", "outgrow resume runs/first --budget-hours 20"))
def resume(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    overrides: Overrides = None,
    budget_usd: BudgetUSD = None,
    budget_hours: BudgetHours = None,
) -> None:
    """Continue a run exactly where its newest checkpoint stands: after a kill, Ctrl-C, a full disk, or a spent budget."""
    from ..train.loop import resume as resume_run
    from .progress import Terminal

    with Terminal(console) as terminal, _told(run):
        resume_run(run, overrides or [], terminal, _budget(budget_usd, budget_hours))
    _finish(run)


def _budget(dollars: float | None, hours: float | None) -> "Budget":
    from ..runs.cost import Budget

    return Budget(hours=math.inf if hours is None else hours, dollars=math.inf if dollars is None else dollars)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say how to go on after a signal or a spent budget, and exit as a shell expects.

    A budget is a wish that was fulfilled, so its exit code is 0; there is no summary.json then, since nothing was measured after.
    """
    from ..runs.cost import BudgetReached
    from ..runs.signals import StopRequested

    try:
        yield
    except BudgetReached as reached:
        from ..report import write_report

        console.print(
            f"stopped by its budget after {reached}, everything is saved; continue with: outgrow resume {path} {reached.options}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        console.print(f"report: {write_report(path)}", highlight=False, soft_wrap=True)
        raise typer.Exit from reached
    except StopRequested as stop:
        errors.print(f"stopped by {stop}, everything is saved; continue with: outgrow resume {path}", markup=False, soft_wrap=True)
        raise typer.Exit(stop.exit_code) from stop


def _finish(path: Path) -> None:
    from ..report import write_report
    from ..runs.folder import RunFolder

    summary = RunFolder(path).read_summary()
    page = write_report(path)
    console.print(_comparison(summary))
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def _comparison(summary: dict[str, Any]) -> Table:
    from ..runs.folder import pass_at_1

    before, after, delta = summary["before"], summary["after"], summary["paired_delta"]
    table = Table(title=f"{before['n']} held-out problems × {before['k']} samples; intervals are 95%")
    for heading in ("", "pass@1", "greedy", f"pass@{before['k']}", "truncated", "tokens"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, row in (("before", before), ("after", after)):
        pass_k = row["pass@k"][str(row["k"])]
        table.add_row(
            name, pass_at_1(row).text(), f"{row['greedy']:.3f}", f"{pass_k:.3f}", f"{row['truncated']:.3f}", f"{row['length']:.1f}"
        )
    table.add_row("change, paired", pass_at_1(delta).text("+.3f"), "", "", "", "")
    return table
