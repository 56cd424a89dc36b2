"""The command `outgrow recipes`."""

from .app import LOOK, command
from .console import console


@command(LOOK, "outgrow recipes")
def recipes() -> None:
    """List the shipped recipes, and what each should show."""
    from ..config import load_recipe, raw_recipe, shipped_recipes
    from ..flywheel import load_flywheel

    for name in shipped_recipes():
        is_flywheel = raw_recipe(name).get("kind") == "flywheel"
        recipe = load_flywheel(name) if is_flywheel else load_recipe(name)
        command = {"sft": "sft", "rl": "train", "flywheel": "flywheel"}[recipe.kind]
        console.print(f"[bold]outgrow {command} {name}[/]", highlight=False)
        console.print(f"  {recipe.description}\n  Expect: {recipe.expected or 'not measured yet'}", highlight=False, markup=False)
