"""A recipe from whatever names or holds one, with changes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..config import Recipe, extended, load_recipe, merge_recipes, parse_recipe, raw_recipe
from ..core.errors import UsageError
from ..runs.folder import RunFolder, read_recipe

AnyRecipe = str | Path | Mapping[str, Any] | Recipe
"""A shipped recipe's name, a .toml file, a run's folder, the values of a recipe, or a recipe."""


def load(recipe: AnyRecipe, **changes: Any) -> Recipe:
    """Return a recipe, checked, with every default in it.

    recipe: the name of a shipped recipe, a .toml file, a run's folder (for the recipe that the run has now), a dict with the keys
        of a recipe (also `extends`), or a recipe.
    changes: keys of the recipe. A table is changed key by key; its keys may also be written with dots.
    Raises UsageError with one line that says what to change.

    >>> recipe = load("micro", seed=3, learn={"steps": 20})
    >>> recipe.name, recipe.seed, recipe.learn.steps
    ('micro', 3, 20)
    >>> load(recipe, **{"learn.steps": 5}).learn.steps
    5
    >>> load({"extends": "micro", "name": "mine"}, learn={"stepz": 5})
    Traceback (most recent call last):
    outgrow.config.recipe_error.RecipeError: recipe: unknown key 'learn.stepz' (did you mean 'steps'?)
    """
    name = str(recipe) if isinstance(recipe, str | Path) else "recipe"
    if isinstance(recipe, str | Path):
        if RunFolder(Path(recipe)).is_run():
            recipe = read_recipe(Path(recipe))[0]
        elif not changes:
            return load_recipe(name)
        else:
            recipe = raw_recipe(name)
    if isinstance(recipe, BaseModel):
        if not changes:
            return recipe
        recipe = recipe.model_dump(exclude_none=True)
    if not isinstance(recipe, Mapping):
        raise UsageError(f"a recipe is a name, a .toml file, a run's folder, a dict or a Recipe, not {recipe!r:.60}")
    values = dict(recipe)
    base = values.pop("extends", None)
    if base is not None:
        values = extended(raw_recipe(str(base)), values)
    change: dict[str, Any] = {}
    for key, value in changes.items():
        change = merge_recipes(change, _nested(key, value))
    return parse_recipe(extended(values, change), name=name)


def _nested(key: str, value: Any) -> dict[str, Any]:
    """Return the table that a key with dots stands for.

    >>> _nested("learn.lr", 1e-4)
    {'learn': {'lr': 0.0001}}
    """
    first, dot, rest = key.partition(".")
    return {first: _nested(rest, value) if dot else value}
