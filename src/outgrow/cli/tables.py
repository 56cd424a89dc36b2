"""Figures in the form that every table prints."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


def interval(row: dict[str, Any], sign: str = "") -> str:
    """pass@1 with its 95% interval."""
    low, high = row["ci95"]
    return f"{row['pass@1']:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
