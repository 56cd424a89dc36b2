"""The command `outgrow recipes`."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from .app import LOOK, command
from .console import console, say

if TYPE_CHECKING:
    from ..config import Recipe
    from ..flywheel.recipe import FlywheelRecipe


@command(LOOK, "outgrow recipes", "outgrow recipes micro --show", "outgrow recipes mine.toml --show")
def recipes(
    name: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="Only this one: a shipped recipe, or a .toml file. Default: all that ship."),
    ] = None,
    show: Annotated[
        bool,
        typer.Option(
            "--show", help="Print the whole recipe: what it says, what it takes from a recipe that it extends, and defaults."
        ),
    ] = False,
) -> None:
    """List the shipped recipes, and what each should show; or print a whole one."""
    from ..config import explained_recipe, shipped_recipes

    if show:
        if name is None:
            raise UsageError("--show prints one recipe; name it, for example: outgrow recipes micro --show")
        say(explained_recipe(name, _loaded(name)).rstrip("\n"))
        return
    for one in [name] if name else shipped_recipes():
        recipe = _loaded(one)
        verb = {"sft": "sft", "rl": "train", "flywheel": "flywheel"}[recipe.kind]
        console.print(f"[bold]outgrow {verb} {one}[/]", highlight=False)
        console.print(f"  {recipe.description}\n  Expect: {recipe.expected or 'not measured yet'}", highlight=False, markup=False)
    if name is None:
        say("\nA whole recipe: outgrow recipes NAME --show. One for your own problems: outgrow new mine.toml --data problems.jsonl")


def _loaded(name: str) -> "Recipe | FlywheelRecipe":
    from ..config import load_recipe, raw_recipe
    from ..flywheel import load_flywheel

    return load_flywheel(name) if raw_recipe(name).get("kind") == "flywheel" else load_recipe(name)
