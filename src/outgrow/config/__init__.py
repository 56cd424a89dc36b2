"""Recipes: what they may say (schema), and how they are read (load)."""

from .absolute import with_absolute_paths
from .explained import explained_recipe
from .load import (
    apply_override,
    dump_recipe,
    load_recipe,
    merge_recipes,
    parse_recipe,
    raw_recipe,
    shipped_recipes,
)
from .schema import Recipe, RLRecipe, SFTRecipe

__all__ = [
    "RLRecipe", "Recipe", "SFTRecipe", "apply_override", "dump_recipe", "explained_recipe", "load_recipe", "merge_recipes",
    "parse_recipe", "raw_recipe", "shipped_recipes", "with_absolute_paths",
]  # fmt: skip
