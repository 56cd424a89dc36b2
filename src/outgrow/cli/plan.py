"""The command `outgrow plan`."""

from pathlib import Path
from typing import Annotated

import typer

from .app import TRAIN, command
from .options import Overrides, RecipeName


@command(TRAIN, "outgrow plan micro", "outgrow plan mine.toml --set learn.tokens_per_microbatch=8192", "outgrow plan r1-flywheel")
def plan(
    recipe: RecipeName,
    gpus: Annotated[
        Path | None,
        typer.Option(
            "--gpus",
            metavar="FILE.toml",
            help="Your own prices, GPUs and assumptions: an edited copy of plan/gpus.toml. Default: that file.",
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Estimate what a recipe needs before you pay for it: parameters, tokens, memory, hours and dollars.

    It reads the recipe and loads no weights.
    """
    from ..config import load_recipe, raw_recipe
    from ..flywheel import load_flywheel

    if raw_recipe(recipe).get("kind") == "flywheel":
        wheel = load_flywheel(recipe, overrides or [])
        from ..flywheel.plan import plan_flywheel
        from ..plan import load_gpu_catalog
        from . import plan_flywheel as flywheel_page

        catalog = load_gpu_catalog(gpus)
        flywheel_page.show(wheel, plan_flywheel(wheel, catalog), catalog)
    else:
        read = load_recipe(recipe, overrides or [])
        from ..plan import load_gpu_catalog, plan_recipe
        from . import plan_recipe as recipe_page

        catalog = load_gpu_catalog(gpus)
        recipe_page.show(read, plan_recipe(read, catalog), catalog)
