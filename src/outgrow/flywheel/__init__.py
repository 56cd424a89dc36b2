"""The flywheel: teacher and student, the better one makes data, a fresh base learns from it, and the roles move up.

recipe.py, resolve.py -> stages.py (what follows what) -> tasks.py (what a stage is) -> workshop.py (each once, and kept)
-> lineage.py, figures.py -> page.py
"""

from .figures import Turned
from .recipe import FlywheelRecipe
from .resolve import load_flywheel
from .run import run_flywheel
from .workshop import ProcessFull

__all__ = ["FlywheelRecipe", "ProcessFull", "Turned", "load_flywheel", "run_flywheel"]
