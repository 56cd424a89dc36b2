"""The flywheel: of teacher and student the better one makes data, a new base learns from it, and a student takes the next turn.

recipe.py, stage_recipes.py -> stages.py (the order of stages) -> tasks.py (the kinds of stages) -> stage_cache.py (each runs once)
-> lineage.py, result.py -> page.py; run.py runs it.

This file gives what reads a recipe, which needs no torch.
"""

from .recipe import FlywheelRecipe
from .stage_recipes import load_flywheel

__all__ = ["FlywheelRecipe", "load_flywheel"]
