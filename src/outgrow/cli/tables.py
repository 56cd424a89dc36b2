"""Tables and figures in the form that every command prints."""

from collections.abc import Collection
from typing import Any

from rich.box import SIMPLE
from rich.table import Table


def figures_table(*headings: str, title: str | None = None, text: Collection[str] = (), whole: Collection[str] = ()) -> Table:
    """Return an empty table of right-aligned figures.

    text: headings of left-aligned columns. whole: headings of columns that are never wrapped.
    """
    table = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False, collapse_padding=True)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in text else "right", no_wrap=heading in whole)
    return table


def interval(row: dict[str, Any], sign: str = "") -> str:
    """Return pass@1 with its 95% interval."""
    low, high = row["ci95"]
    return f"{row['pass@1']:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
