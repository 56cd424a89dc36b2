"""The command `outgrow sft`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import app
from .options import Overrides, example
from .run_training import start

if TYPE_CHECKING:
    pass


@app.command(epilog=example("outgrow sft micro-base --out runs/base"))
def sft(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")],
    out: Annotated[Path | None, typer.Option("--out", help="The run's folder; runs/RECIPE if left out.")] = None,
    overrides: Overrides = None,
) -> None:
    """Fine-tune on written-out solutions (how a micro base model is made)."""
    start(recipe, "sft", out, overrides)
