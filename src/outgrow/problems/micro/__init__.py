"""Micro fields: procedural problems small enough for a 0.6M-parameter model, split by their operands."""

from .source import FIELDS, Micro, draw_problems

__all__ = ["FIELDS", "Micro", "draw_problems"]
