"""Recipes: what they may say (schema), and how they are read (load)."""

from .absolute import with_absolute_paths
from .by_size import filled, table_values, unsaid
from .explained import explained_recipe
from .load import (
    apply_override,
    dump_recipe,
    extended,
    load_recipe,
    merge_recipes,
    parse_recipe,
    raw_recipe,
    shipped_recipes,
)
from .plugins import with_plugins
from .schema import Recipe, RLRecipe, SFTRecipe

__all__ = [
    "RLRecipe", "Recipe", "SFTRecipe", "apply_override", "dump_recipe", "explained_recipe", "extended", "filled", "load_recipe",
    "merge_recipes", "parse_recipe", "raw_recipe", "shipped_recipes", "table_values", "unsaid", "with_absolute_paths",
    "with_plugins",
]  # fmt: skip
