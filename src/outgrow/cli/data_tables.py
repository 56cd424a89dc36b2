"""What `outgrow data` prints of the data that it made."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from .console import console, strip_control_chars

if TYPE_CHECKING:
    from ..synthetic import SyntheticSummary


def show(made: "SyntheticSummary") -> None:
    """What was drawn, kept and dropped, how good it is, and where."""
    from ..synthetic.dataset_card import told

    before = f" ({made.written:,} of them written in training)" if made.written else ""
    told_of = f"{made.problems:,} problems, {made.drawn:,} answers{before}, {made.right:,} right, {made.kept:,} kept"
    console.print(told_of, highlight=False)
    _print(
        ("field", "level", "problems", "drawn", "right", "kept"),
        ((cell.field, cell.level, cell.problems, cell.drawn, cell.right, cell.kept) for cell in made.by_cell),
    )
    _print(
        ("problems that are", "problems", "drawn", "right", "kept"),
        ((band.band, band.problems, band.drawn, band.right, band.kept) for band in made.by_band),
    )
    _print(("dropped because", "answers"), made.dropped.items())
    _print(
        ("contaminated by", "questions", "answers to one of them", "answers with 13 words of one"),
        ((one.suite, one.questions, one.same, one.overlapping) for one in made.checked if one.same or one.overlapping),
    )
    lines = [
        f"right answers among those kept: {told(made.precision)}",
        f"answers whose every written calculation holds: {told(made.sound)}",
        f"contaminated answers dropped: {made.contaminated:,}, by {len(made.checked)} suites",
        *([f"not checked, since not to be had: {', '.join(made.not_checked)}"] if made.not_checked else []),
        str(made.path),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _print(heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    table = Table(box=SIMPLE, pad_edge=False)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left")
    for row in rows:
        table.add_row(*(Text(strip_control_chars(cell)) if isinstance(cell, str) else f"{cell:,}" for cell in row))
    if table.row_count:
        console.print(table)
