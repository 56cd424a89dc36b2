"""A recipe that was read with stand-ins for code from outside the package, with that code in their place."""

from typing import Any

from pydantic import BaseModel, ValidationError

from ..core.stand_ins import stands_in
from .recipe_error import RecipeError
from .schema import Recipe


def with_plugins(recipe: Recipe) -> Recipe:
    """Return the recipe with its code imported, of the kinds that are needed now (see `plugins_imported`).

    Raises RecipeError where a module cannot be imported, or does not take the recipe's settings.
    """
    if not _has_stand_in(recipe):
        return recipe
    values = {name: _opened(getattr(recipe, name)) for name in recipe.model_fields_set}
    try:
        return type(recipe).model_validate(values)
    except ValidationError as error:
        raise RecipeError(recipe.name, values, error, type(recipe)) from error


def _has_stand_in(value: Any) -> bool:
    if isinstance(value, BaseModel):
        return stands_in(value) or any(_has_stand_in(getattr(value, name)) for name in type(value).model_fields)
    return isinstance(value, tuple) and any(map(_has_stand_in, value))


def _opened(value: Any) -> Any:
    """Return a value with a table in place of each stand-in, and of what holds one."""
    if not _has_stand_in(value):
        return value
    if isinstance(value, tuple):
        return [_opened(item) for item in value]
    if stands_in(value):
        return value.model_dump(exclude_unset=True)
    return {name: _opened(getattr(value, name)) for name in value.model_fields_set}
