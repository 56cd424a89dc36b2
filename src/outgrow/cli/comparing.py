"""Commands that set policies side by side: compare."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from ..core.errors import UsageError
from .app import app
from .shared import console, example, is_run

if TYPE_CHECKING:
    from ..evaluate import Evaluation
    from ..evaluate.compare import Against, Side
    from ..runs.folder import When

Suites = dict[str, "list[Side]"]
Margin = Annotated[float, typer.Option("--margin", min=0.01, help="The change that would matter, in points of pass@1.")]


@app.command(
    epilog=example(
        "outgrow compare runs/first",
        "outgrow compare uniform=runs/u0,runs/u1,runs/u2 frontier=runs/f0,runs/f1,runs/f2",
        "outgrow compare before.parquet after.parquet --margin 1",
    )
)
def compare(
    sides: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH[,PATH...]...",
            help="What to compare with the first: runs, Parquet files or folders of `outgrow eval --out`; seeds of the same "
            "with commas between them. Runs alone, on one side, are compared with themselves before training.",
        ),
    ],
    margin: Margin = 2.0,
) -> None:
    """Set policies side by side: paired change of pass@1 with its interval, problems won and lost, and what it does not show.

    The interval speaks of other problems and, with several seeds, of other seeds. No correction is made for the number of sides.
    """

    show(_by_suite(sides), margin / 100)


def show(suites: Suites, margin: float) -> None:
    """Figures of every side, the change of each against the first, and what that says."""
    from ..evaluate.compare import against

    figures = _table("", "n × k × seeds", "pass@1 (95% interval)", "greedy", "maj@k", "cut off", "tokens")
    changes = _table("change of pass@1, in points", "change (95% interval)", "greedy, won : lost")
    said = []
    for suite, (baseline, *others) in suites.items():
        if suite:
            figures.add_row(f"[bold]{escape(suite)}[/]")
            changes.add_row(f"[bold]{escape(suite)}[/]")
        for side in (baseline, *others):
            figures.add_row(escape(side.name), *_figures(side))
        for side in others:
            found = against(side, baseline, margin)
            changes.add_row(escape(side.name), found.change.text("+.1f", 100), _split(found))
            said.append(f"{f'{suite}: ' if suite else ''}{side.name} against {baseline.name}: {found.verdict}. {_hint(found)}")
    console.print(figures)
    console.print(changes)
    if any(len(side.evaluations) == 1 for sides in suites.values() for side in sides):
        said.append("A side of one seed is that one policy: the intervals do not say how other seeds of it would differ.")
    for line in said:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _by_suite(sides: Sequence[str]) -> Suites:
    """Suite -> what is compared on it, the first being the baseline. Raises UsageError where nothing pairs up."""
    from ..evaluate.compare import Side

    named = [_named(side) for side in sides]
    if len(named) == 1:
        [(_, paths)] = named
        if not all(is_run(str(path)) for path in paths):
            raise UsageError(
                f"{sides[0]}: with what shall it be compared? Name a second side (a run alone is compared with its start)"
            )
        found = [("before", [of_run(path, "before") for path in paths]), ("after", [of_run(path, "after") for path in paths])]
    else:
        found = [(name, [_of(path) for path in paths]) for name, paths in named]
    if len({name for name, _ in found}) < len(found):
        raise UsageError("two sides have the same name; give them others, as NAME=PATH")
    everywhere = [one for _, seeds in found for one in seeds]
    if all(len(one) == 1 for one in everywhere):  # one suite, whatever each calls it
        return {"": [Side(name, [only(one) for one in seeds]) for name, seeds in found]}
    shared = [suite for suite in everywhere[0] if all(suite in one for one in everywhere)]
    if not shared:
        raise UsageError(
            "these were not measured on any suite in common; measure them with: outgrow eval MODEL --on SUITES --out FOLDER"
        )
    return {suite: [Side(name, [one[suite] for one in seeds]) for name, seeds in found] for suite in shared}


def _named(side: str) -> tuple[str, list[Path]]:
    name, equals, rest = ("", "", side) if Path(side).exists() else side.partition("=")
    rest = rest if equals else side
    paths = [Path(part) for part in rest.split(",") if part]
    if not paths:
        raise UsageError(f"{side!r}: no path; give [NAME=]PATH[,PATH...]")
    return (name if equals else paths[0].stem if paths[0].suffix == ".parquet" else paths[0].name), paths


def _of(path: Path) -> "dict[str, Evaluation]":
    """Suite -> what was measured of one policy."""
    from ..evaluate import Evaluation

    if is_run(str(path)):
        return of_run(path, "after")
    if path.is_dir():
        found = {file.stem: Evaluation.load(file) for file in sorted(path.glob("*.parquet"))}
        if not found:
            raise UsageError(
                f"{path}: neither a run nor a folder of measurements; make one with: outgrow eval MODEL --on SUITES --out {path}"
            )
        return found
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file or folder")
    return {path.stem: Evaluation.load(path)}


def of_run(run: Path, when: "When") -> "dict[str, Evaluation]":
    """Its suite -> what was measured of a run, before or after training. Raises UsageError where it was not."""
    from ..evaluate import Evaluation
    from ..runs.folder import RunFolder, read_recipe

    file = RunFolder(run).evaluation(when)
    if not file.is_file():
        raise UsageError(f"{run}: not measured {when} training; end the run with: outgrow resume {run}")
    return {read_recipe(run)[0].evaluate.suite: Evaluation.load(file)}


def only(measured: "dict[str, Evaluation]") -> "Evaluation":
    """Of the one suite that there is."""
    [evaluation] = measured.values()
    return evaluation


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


def _split(found: "Against") -> str:
    return "" if found.p is None else f"{found.won} : {found.lost} (p {_p(found.p)})"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _hint(found: "Against") -> str:
    """What a comparison would need to show the change that matters."""
    counts = ((found.needed.problems, "problems"), (found.needed.seeds, "seeds"))
    ways = [f"{count:,} {what}" for count, what in counts if count]
    least = f"about {' or '.join(ways)}" if ways else "more problems and more seeds"
    return f"(Seeing {100 * found.margin:g} points in 8 of 10 cases takes {least}.)"
