"""`outgrow serve`: live pages of all runs in a folder, with curves, problems, rollouts and comparisons."""

from .app import application

__all__ = ["application"]
