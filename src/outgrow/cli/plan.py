"""The command `outgrow plan`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import app
from .console import console
from .options import Overrides, example
from .plan_figures import unfit
from .plan_recipe import assumptions, cost_table, head, memory_table

if TYPE_CHECKING:
    from ..plan import GpuCatalog


@app.command(
    epilog=example(
        "outgrow plan micro", "outgrow plan mine.toml --set learn.tokens_per_microbatch=8192", "outgrow plan r1-flywheel"
    )
)
def plan(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")],
    gpus: Annotated[
        Path | None, typer.Option("--gpus", metavar="FILE.toml", help="Your own prices, GPUs and assumptions; copy plan/gpus.toml.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Estimate what a recipe will need, before anyone pays: parameters, tokens, memory, hours, dollars. Loads no weights."""
    from ..config import RLRecipe, load_recipe, raw_recipe
    from ..plan import load_gpu_catalog, plan_recipe

    market = load_gpu_catalog(gpus)
    if raw_recipe(recipe).get("kind") == "flywheel":
        _plan_wheel(recipe, overrides or [], market)
        return
    read = load_recipe(recipe, overrides or [])
    found = plan_recipe(read, market)
    assert isinstance(read, RLRecipe)
    for line in head(read, found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(memory_table(found))
    console.print(cost_table(found, market))
    for bill in found.bills:
        for line in unfit(bill):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in assumptions(read, found, market):
        console.print(f"assumes {line}", markup=False, highlight=False, soft_wrap=True)


def _plan_wheel(name: str, overrides: list[str], market: "GpuCatalog") -> None:
    from ..flywheel import load_flywheel
    from ..flywheel.plan import plan_flywheel
    from .plan_flywheel import show_wheel

    wheel = load_flywheel(name, overrides)
    show_wheel(wheel, plan_flywheel(wheel, market), market)
