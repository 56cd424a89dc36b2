"""The command `outgrow analyze`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from .app import app
from .console import console, strip_control_chars
from .options import example

if TYPE_CHECKING:
    from ..evaluate.sample import Sample
    from ..report.tables import Table as Rows


_SHOWN = 600  # characters of an example's end, where the answer is


@app.command(epilog=example("outgrow analyze runs/first", "outgrow analyze runs/first --examples 3"))
def analyze(
    run: Annotated[Path, typer.Argument(help="A run's folder, finished or not.")],
    examples: Annotated[
        int, typer.Option("--examples", min=0, max=3, help="So many answers of each kind of failure, printed in full.")
    ] = 0,
) -> None:
    """Say where a run succeeds and where it fails: kinds of failure, problems won and lost, what was learned and forgotten.

    The same stands in its report, with the texts side by side. Shares are of all answers drawn on the held-out suite.
    """
    from ..evaluate.change import compare, grid
    from ..evaluate.failure_kinds import MEANING
    from ..report import findings
    from ..report.analysis import analyze as analyze_run
    from ..report.data import read_run
    from ..report.words import headline

    data = read_run(run)
    found = analyze_run(data)
    known = data.after or data.before
    lines = [headline(compare(data.before, data.after).get("pass@1"), known.k if known else 0)]
    for line in [*lines, *findings.sentences(data, found, grid(data.before, data.after))]:
        console.print(line, highlight=False, markup=False)
    _print("what fails: shares of all answers", findings.failure_table(found))
    _print("by how often the base was right", findings.base_table(found))
    _print("by the length of the answer", findings.length_table(found))
    _print("what became of the problems practised", findings.fate_table(found))
    _print("forgotten, or learned again", findings.turns_table(found))
    for row in found.failures:
        for when, samples in (("before", row.before), ("after", row.after)):
            for sample in samples[:examples]:
                _show(f"{row.failure} ({MEANING[row.failure]}), {when}", sample)


def _print(title: str, rows: "Rows") -> None:
    if not rows.rows:
        return
    table = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False, collapse_padding=True)
    for column in rows.columns:
        table.add_column(column)
    for row in rows.rows:
        table.add_row(*(Text(strip_control_chars(cell)) for cell in row))
    console.print(table)


def _show(title: str, sample: "Sample") -> None:
    text = strip_control_chars(sample.text)
    console.print(f"[bold]{title}[/]", highlight=False)
    console.print(Text(f"  {strip_control_chars(sample.question)}   expected {strip_control_chars(sample.answer)}"))
    console.print(Text(f"  {'… ' if len(text) > _SHOWN else ''}{text[-_SHOWN:]}\n"))
