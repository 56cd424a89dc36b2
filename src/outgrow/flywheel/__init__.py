"""The flywheel: teacher and student, the better one makes data, a fresh base learns from it, and the roles move up.

recipe.py, resolve.py -> stages.py (what follows what) -> tasks.py (what a stage is) -> workshop.py (each once, and kept)
-> lineage.py, figures.py -> page.py
"""

from .recipe import FlywheelRecipe
from .result import FlywheelResult
from .run import run_flywheel
from .stage_cache import ProcessFull
from .stage_recipes import load_flywheel

__all__ = ["FlywheelRecipe", "FlywheelResult", "ProcessFull", "load_flywheel", "run_flywheel"]
