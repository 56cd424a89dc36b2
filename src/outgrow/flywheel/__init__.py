"""The flywheel: of teacher and student the better one makes data, a new base learns from it, and a student takes the next turn.

recipe.py, stage_recipes.py -> stages.py (the order of stages) -> tasks.py (the kinds of stages) -> stage_cache.py (each runs once)
-> lineage.py, result.py -> page.py
"""

from .recipe import FlywheelRecipe
from .result import FlywheelResult
from .run import run_flywheel
from .stage_cache import ProcessFull
from .stage_recipes import load_flywheel

__all__ = ["FlywheelRecipe", "FlywheelResult", "ProcessFull", "load_flywheel", "run_flywheel"]
