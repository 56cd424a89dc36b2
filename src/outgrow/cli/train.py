"""The command `outgrow train`."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.plugins import ANY_KIND
from .app import TRAIN, command
from .options import BudgetOption, Overrides, RecipeName
from .run_training import start


@command(
    TRAIN,
    "outgrow train micro --out runs/first",
    "outgrow train micro --set learn.steps=50 --set seed=3 --budget 30m",
    plugins=ANY_KIND,
)
def train(
    recipe: RecipeName,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run. Default: runs/RECIPE.")] = None,
    overrides: Overrides = None,
    budget: BudgetOption = None,
) -> None:
    """Train by reinforcement learning on checked answers, measure before and after, and write the report."""
    start(recipe, "rl", out, overrides, budget or [])
