"""The command `outgrow train`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import app
from .options import BudgetHours, BudgetUSD, Overrides, example
from .run_training import start

if TYPE_CHECKING:
    pass


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
    start(recipe, "rl", out, overrides, budget_usd, budget_hours)
