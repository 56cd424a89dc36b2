"""Tables of a comparison, and what it shows."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from ..core.changes import sentence
from ..core.errors import UsageError
from .compare_sides import Suites
from .console import console, say

if TYPE_CHECKING:
    from ..evaluate.compare import Against, Side


def show(suites: Suites, margin: float, across: Collection[str] = ()) -> None:
    """Print the figures of every side, the change of each against the baseline, and what that shows.

    margin: the change of pass@1 that matters, as a share. across: settings that may differ between sides. Sides that differ in
    another setting are shown and not subtracted. Raises UsageError where the problems of every pair differ.
    """
    figures = _table("", "n × k × seeds", "pass@1 (95% interval)", "greedy", "maj@k", "cut off", "tokens")
    changes = _table("change of pass@1, in points", "change (95% interval)", "greedy, won : lost")
    sentences, errors = [], []
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
            what = f"{suite}: " * bool(suite) + f"{side.name} against {baseline.name}"
            try:
                change, split, verdict = _compared(side, baseline, margin, across)
            except UsageError as error:
                errors.append(error)
                change, split, verdict = "not compared", "", str(error)
            changes.add_row(escape(side.name), change, split)
            sentences.append(f"{what}: {verdict}")
    if errors and len(errors) == sum(len(sides) - 1 for sides in suites.values()):
        raise errors[0]
    console.print(figures)
    console.print(changes)
    if any(len(side.evaluations) == 1 for sides in suites.values() for side in sides):
        sentences.append("Some sides have a single seed: their intervals do not cover how another seed would differ.")
    unknown = [side.name for sides in suites.values() for side in sides if any(e.conditions is None for e in side.evaluations)]
    if unknown:
        names = ", ".join(dict.fromkeys(unknown))
        sentences.append(f"How these were measured is not recorded, so whether it was alike is not known: {names}.")
    for line in sentences:
        say(line)


def _compared(side: "Side", baseline: "Side", margin: float, across: Collection[str]) -> tuple[str, str, str]:
    """Return the cells of a side's change, and what it shows. Raises UsageError where the problems of the two differ."""
    from ..evaluate.compare import against, unlike

    result = against(side, baseline, margin)
    changed = unlike(side, baseline)
    refused = [key for key in changed if key not in across]
    if refused:
        return (
            "not compared",
            "",
            f"measured differently ({sentence(changed, refused)}), so a difference may come from that. Measure both alike with "
            f"outgrow eval; or, if that is what you compare, add --across {','.join(refused)}",
        )
    told = f" Measured with {sentence(changed)}." if changed else ""
    return result.change.text("+.1f", 100), _split(result), f"{result.verdict}.{told} {_hint(result)}"


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
