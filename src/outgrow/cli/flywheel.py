"""The command that turns generations: flywheel."""

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from ..core.errors import UsageError
from .app import app
from .progress import Terminal
from .shared import Overrides, console, errors, example
from .training import BudgetHours, BudgetUSD

if TYPE_CHECKING:
    from ..flywheel import FlywheelResult


@app.command(
    epilog=example(
        "outgrow flywheel micro-flywheel",
        "outgrow flywheel micro-flywheel --set generations=3 --set student.learn.steps=50",
        "outgrow flywheel runs/micro-flywheel",
    )
)
def flywheel(
    recipe: Annotated[str, typer.Argument(help="A shipped flywheel's name, a .toml file, or the folder of one that was begun.")],
    out: Annotated[Path | None, typer.Option("--out", help="The wheel's folder; runs/RECIPE if left out.")] = None,
    overrides: Overrides = None,
    budget_usd: BudgetUSD = None,
    budget_hours: BudgetHours = None,
) -> None:
    """Turn generations: a teacher, a student that may outgrow it, data that the better one makes, a fresh base from that.

    The same command goes on after a stop. Stages that were done from the same inputs are not done again, so a changed line of the
    recipe costs what depends on it.
    """
    from ..core.errors import OutgrowError
    from ..flywheel import ProcessFull, load_flywheel, run_flywheel
    from ..runs.cost import Budget, BudgetReached
    from ..runs.signals import StopRequested

    begun = Path(recipe) / "flywheel.toml"
    if begun.is_file():
        if out is not None and out.resolve() != begun.parent.resolve():
            raise UsageError(f"{recipe} is a wheel that was begun, and goes on where it is; leave --out out")
        wheel, folder = load_flywheel(str(begun), overrides or []), begun.parent
    else:
        wheel = load_flywheel(recipe, overrides or [])
        folder = out or Path("runs") / wheel.name
    budget = Budget(
        hours=math.inf if budget_hours is None else budget_hours, dollars=math.inf if budget_usd is None else budget_usd
    )
    again = f"continue with: outgrow flywheel {folder}"
    try:
        with Terminal(console) as terminal:
            result = run_flywheel(wheel, folder, terminal, budget)
    except BudgetReached as reached:
        told = f"stopped by its budget after {reached}, everything is saved; {again} {reached.options}"
        console.print(told, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit from reached
    except StopRequested as stop:
        errors.print(f"stopped by {stop}, everything is saved; {again}", markup=False, soft_wrap=True)
        raise typer.Exit(stop.exit_code) from stop
    except ProcessFull:
        os.execv(sys.executable, [sys.executable, "-m", "outgrow", *sys.argv[1:]])  # the same command, with room for its next stage
    except UsageError:
        raise
    except OutgrowError as error:
        raise type(error)(f"{error}; what is done is saved, {again}") from error
    _show(result)
    console.print(f"page: {folder / 'flywheel.html'}", highlight=False, soft_wrap=True)


def _show(result: "FlywheelResult") -> None:
    from ..flywheel.summary import headline, sentences, short_table, spent

    found = short_table(result)
    table = Table(
        box=SIMPLE,
        pad_edge=False,
        collapse_padding=True,
        title=f"{escape(result.recipe.suite)}; 95% intervals, differences in points",
    )
    for heading in found.columns:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for row in found.rows:
        table.add_row(*row)
    console.print(table)
    for line in (headline(result), *sentences(result), f"total: {spent(result)}"):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
