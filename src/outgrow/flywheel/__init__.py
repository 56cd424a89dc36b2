"""The flywheel: teacher and student, the better one makes data, a fresh base learns from it, and the roles move up."""

from .recipe import FlywheelRecipe
from .resolve import load_flywheel

__all__ = ["FlywheelRecipe", "load_flywheel"]
