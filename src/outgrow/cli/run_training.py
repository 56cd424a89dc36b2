"""What train, sft and resume share: start a run, say how it ended, print its result."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from ..core.errors import UsageError
from .console import console, errors
from .tables import interval

if TYPE_CHECKING:
    from ..runs.cost import Budget


def start(
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
    with Terminal(console) as terminal, saying_how_it_ended(path):
        train_run(recipe, path, terminal, budget(budget_usd, budget_hours))
    finish(path)


def budget(dollars: float | None, hours: float | None) -> "Budget":
    from ..runs.cost import Budget

    return Budget(hours=math.inf if hours is None else hours, dollars=math.inf if dollars is None else dollars)


@contextmanager
def saying_how_it_ended(path: Path) -> Iterator[None]:
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


def finish(path: Path) -> None:
    import json

    from ..report import write_report

    summary = json.loads((path / "summary.json").read_text())
    page = write_report(path)
    console.print(_comparison(summary))
    console.print(f"report: {page}", highlight=False, soft_wrap=True)


def _comparison(summary: dict[str, Any]) -> Table:
    before, after, delta = summary["before"], summary["after"], summary["paired_delta"]
    table = Table(title=f"{before['n']} held-out problems × {before['k']} samples; intervals are 95%")
    for heading in ("", "pass@1", "greedy", f"pass@{before['k']}", "truncated", "tokens"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, row in (("before", before), ("after", after)):
        pass_k = row["pass@k"][str(row["k"])]
        table.add_row(
            name, interval(row), f"{row['greedy']:.3f}", f"{pass_k:.3f}", f"{row['truncated']:.3f}", f"{row['length']:.1f}"
        )
    table.add_row("change, paired", interval(delta, sign="+"), "", "", "", "")
    return table
