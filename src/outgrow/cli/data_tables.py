"""What `outgrow data` prints of the data that it made."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.text import Text

from .console import console, say, strip_control_chars
from .tables import figures_table

if TYPE_CHECKING:
    from ..synthetic import SyntheticSummary


def show(data: "SyntheticSummary") -> None:
    """Print how many answers were sampled, kept and dropped, how good the data is, and where it is."""
    from ..synthetic.dataset_card import share_text

    before = f" ({data.written:,} of them written in training)" if data.written else ""
    sample = f" (n = {data.limit})" if data.limit else ""
    say(f"{data.problems:,} problems{sample}, {data.drawn:,} answers{before}, {data.right:,} right, {data.kept:,} kept")
    _print(
        ("field", "level", "problems", "sampled", "right", "kept"),
        ((cell.field, cell.level, cell.problems, cell.drawn, cell.right, cell.kept) for cell in data.by_cell),
    )
    _print(
        ("pass rate", "problems", "sampled", "right", "kept"),
        ((band.band, band.problems, band.drawn, band.right, band.kept) for band in data.by_band),
    )
    _print(("reason to drop", "answers"), data.dropped.items())
    _print(
        ("contaminated by", "questions", "answers to one of them", "answers that share 13 words"),
        (
            (suite.suite, suite.questions, suite.same, suite.overlapping)
            for suite in data.checked
            if suite.same or suite.overlapping
        ),
    )
    say(f"right answers among the kept: {share_text(data.precision)}")
    say(f"answers in which every written calculation is correct: {share_text(data.sound)}")
    say(f"contaminated answers dropped: {data.contaminated:,}, by {len(data.checked)} suites")
    if data.not_checked:
        say(f"not checked against, because not available: {', '.join(data.not_checked)}")
    say(str(data.path))


def _print(headings: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    table = figures_table(*headings, text=headings[:1])
    for row in rows:
        table.add_row(*(Text(strip_control_chars(cell)) if isinstance(cell, str) else f"{cell:,}" for cell in row))
    if table.row_count:
        console.print(table)
