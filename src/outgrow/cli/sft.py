"""The command `outgrow sft`."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.plugins import ANY_KIND
from .app import TRAIN, command
from .options import BudgetOption, Overrides, RecipeName
from .run_training import start


@command(TRAIN, "outgrow sft micro-base --out runs/base", plugins=ANY_KIND)
def sft(
    recipe: RecipeName,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run. Default: runs/RECIPE.")] = None,
    overrides: Overrides = None,
    budget: BudgetOption = None,
) -> None:
    """Fine-tune on written-out solutions."""
    start(recipe, "sft", out, overrides, budget or [])
