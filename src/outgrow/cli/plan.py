"""The command `outgrow plan`."""

from pathlib import Path
from typing import Annotated

import typer

from .app import TRAIN, command
from .options import Overrides, RecipeName


@command(
    TRAIN,
    "outgrow plan micro",
    "outgrow plan mine.toml --set learn.tokens_per_microbatch=8192",
    "outgrow plan r1-flywheel",
    "outgrow plan r1-1.5b-gsm8k --over 8",
)
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
    over: Annotated[
        int | None,
        typer.Option(
            "--over",
            metavar="N",
            min=2,
            max=64,
            help="Also say how to divide the run over up to N GPUs of a kind. Default: one GPU only.",
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Estimate what a recipe needs before you pay for it: parameters, tokens, memory, time and price, with all measurements.

    The first row is this machine, measured in about a second. It reads the recipe and loads no weights. Models of the families
    Llama, Qwen2 and Qwen3 are covered, by name, folder or GGUF file.
    """
    from ..config import RLRecipe, load_recipe, raw_recipe
    from ..core.errors import UsageError
    from ..flywheel import load_flywheel

    if raw_recipe(recipe).get("kind") == "flywheel":
        if over:
            raise UsageError("--over divides a single run; give it the recipe of one stage")
        wheel = load_flywheel(recipe, overrides or [])
        from ..flywheel.plan import plan_flywheel
        from ..flywheel.stage_recipes import stage_recipes
        from ..plan import load_gpu_catalog
        from ..plan.machine import with_this_machine
        from . import plan_flywheel as flywheel_page

        catalog = with_this_machine(load_gpu_catalog(gpus), stage_recipes(wheel)["student"])
        flywheel_page.show(wheel, plan_flywheel(wheel, catalog), catalog)
    else:
        read = load_recipe(recipe, overrides or [])
        if not isinstance(read, RLRecipe):
            raise UsageError(f"{recipe} is a recipe of kind {read.kind!r}; plan counts what `outgrow train` runs")
        from ..plan import load_gpu_catalog, plan_recipe
        from ..plan.machine import with_this_machine
        from . import plan_recipe as recipe_page

        catalog = with_this_machine(load_gpu_catalog(gpus), read)
        recipe_page.show(read, plan_recipe(read, catalog), catalog)
        if over:
            from ..plan.best_split import split_costs
            from . import plan_split as split_page

            split_page.show(split_costs(read, catalog, over), over, catalog.assumptions)
