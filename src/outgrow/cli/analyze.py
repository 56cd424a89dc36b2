"""The command `outgrow analyze`."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from .app import LOOK, command
from .console import console, say, strip_control_chars
from .options import RunFolder
from .tables import figures_table

if TYPE_CHECKING:
    from ..evaluate.sample import Sample
    from ..report.tables import Table

_SHOWN = 600  # characters of an example's end, where the answer is


@command(LOOK, "outgrow analyze runs/first", "outgrow analyze runs/first --examples 3")
def analyze(
    run: RunFolder,
    examples: Annotated[
        int, typer.Option("--examples", min=0, max=3, help="Number of answers to print in full for each kind of failure.")
    ] = 0,
) -> None:
    """Show where a run succeeds and fails: kinds of failure, problems won and lost, problems learned and forgotten.

    The run need not be finished. Its report has the same figures, with the texts side by side. Shares are of all answers sampled on
    the held-out suite.
    """
    from ..evaluate.change import compare, grid
    from ..evaluate.failure_kinds import MEANING
    from ..report import findings
    from ..report.analysis import analyze as analyze_run
    from ..report.chains import chain_sections
    from ..report.data import read_run
    from ..report.words import headline

    data = read_run(run)
    analysis = analyze_run(data)
    known = data.after or data.before
    say(headline(compare(data.before, data.after).get("pass@1"), known.k if known else 0))
    for sentence in findings.sentences(data, analysis, grid(data.before, data.after)):
        say(sentence)
    _print("kinds of failure: shares of all answers", findings.failure_table(analysis))
    _print("by how often the base was right", findings.base_table(analysis))
    _print("by the length of the answer", findings.length_table(analysis))
    _print("what became of the problems practised", findings.fate_table(analysis))
    _print("problems forgotten or learned again", findings.turns_table(analysis))
    for section in chain_sections(data):
        say(f"Chains of {section.suite}. {section.practised}")
        for title, table in section.tables():
            _print(title, table)
    for row in analysis.failures:
        for when, samples in (("before", row.before), ("after", row.after)):
            for sample in samples[:examples]:
                _show(f"{row.failure} ({MEANING[row.failure]}), {when}", sample)


def _print(title: str, rows: "Table") -> None:
    if not rows.rows:
        return
    table = figures_table(*rows.columns, title=title, text=(rows.columns[0], *rows.text))
    for row in rows.rows:
        table.add_row(*(Text(strip_control_chars(cell)) for cell in row))
    console.print(table)


def _show(title: str, sample: "Sample") -> None:
    text = strip_control_chars(sample.text)
    console.print(f"[bold]{title}[/]", highlight=False)
    console.print(Text(f"  {strip_control_chars(sample.question)}   expected {strip_control_chars(sample.answer)}"))
    console.print(Text(f"  {'… ' if len(text) > _SHOWN else ''}{text[-_SHOWN:]}\n"))
