"""Tables and figures in the form that every command prints."""

from collections.abc import Collection

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
