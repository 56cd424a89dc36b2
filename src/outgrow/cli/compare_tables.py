"""Tables of a comparison, and what it shows."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from .compare_sides import Suites
from .console import console, say

if TYPE_CHECKING:
    from ..evaluate.compare import Against, Side


def show(suites: Suites, margin: float) -> None:
    """Print the figures of every side, the change of each against the baseline, and what that shows.

    margin: the change of pass@1 that matters, as a share.
    """
    from ..evaluate.compare import against

    figures = _table("", "n × k × seeds", "pass@1 (95% interval)", "greedy", "maj@k", "cut off", "tokens")
    changes = _table("change of pass@1, in points", "change (95% interval)", "greedy, won : lost")
    sentences = []
    for suite, (baseline, *others) in suites.items():
        if suite:
            figures.add_row(f"[bold]{escape(suite)}[/]")
            changes.add_row(f"[bold]{escape(suite)}[/]")
        for side in (baseline, *others):
            figures.add_row(escape(side.name), *_figures(side))
            limit = side.evaluations[0].limit
            if limit:
                sentences.append(
                    f"{f'{suite}: ' if suite else ''}{side.name} is measured on a sample of the problems: n = {limit}."
                )
        for side in others:
            result = against(side, baseline, margin)
            changes.add_row(escape(side.name), result.change.text("+.1f", 100), _split(result))
            where = f"{suite}: " if suite else ""
            sentences.append(f"{where}{side.name} against {baseline.name}: {result.verdict}. {_hint(result)}")
    console.print(figures)
    console.print(changes)
    if any(len(side.evaluations) == 1 for sides in suites.values() for side in sides):
        sentences.append("Some sides have a single seed: their intervals do not cover how another seed would differ.")
    for sentence in sentences:
        say(sentence)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title or None, box=SIMPLE, pad_edge=False, collapse_padding=True)
    table.add_column("", overflow="fold", min_width=8)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _figures(side: "Side") -> list[str]:
    from ..evaluate.compare import mean_of

    first, seeds = side.evaluations[0], len(side.evaluations)
    rate = mean_of(side, "pass@1")
    shares = (mean_of(side, name).value for name in ("greedy", f"maj@{first.k}" if first.k > 1 else "pass@1", "truncated"))
    n = f"{len(first.pass_rates())} × {first.k} × {seeds}"
    return [n, rate.text(), *(f"{share:.3f}" for share in shares), f"{mean_of(side, 'length').value:.1f}"]


def _split(result: "Against") -> str:
    return "" if result.p is None else f"{result.won} : {result.lost} (p {_p(result.p)})"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _hint(result: "Against") -> str:
    """Return what a comparison needs to show the change that matters."""
    counts = ((result.needed.problems, "problems"), (result.needed.seeds, "seeds"))
    ways = [f"{count:,} {what}" for count, what in counts if count]
    least = f"about {' or '.join(ways)}" if ways else "more problems and more seeds"
    return f"(To detect a change of {100 * result.margin:g} points with 80% power takes {least}.)"
