"""Where questions come from. A source is a recipe entry with a `type`; it loads a list of problems."""

from .micro import Micro
from .problem import Problem
from .source import Source

SOURCES: dict[str, type[Source]] = {"micro": Micro}

__all__ = ["SOURCES", "Problem", "Source"]
