"""What train, sft and resume share: start a run, say how it ended, print its result."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from ..core.counted import counted
from ..core.errors import UsageError
from ..core.shell import command_line
from .console import console, say
from .interrupt import explain_stop, say_budget_reached
from .ranks import launch, serve_other_rank, with_ranks


def start(name: str, kind: str, out: Path | None, overrides: list[str] | None, budget: Sequence[str]) -> None:
    """Train by a recipe in a new folder. Raises UsageError if the recipe is of another kind than the command.

    budget: as typed (see `parse_budget`).
    """
    from ..config import RLRecipe, load_recipe
    from ..runs.cost import parse_budget

    serve_other_rank()
    limit = parse_budget(budget)
    recipe = load_recipe(name, overrides or [])
    if recipe.kind != kind:
        command = "sft" if recipe.kind == "sft" else "train"
        raise UsageError(f"{name} is a recipe of kind {recipe.kind!r}; run it with: outgrow {command} {name}")
    path = out or Path("runs") / recipe.name
    launch(recipe.learn.ranks, path)
    # After the recipe, so that what is wrong in it is told before the second that torch takes to load.
    from ..train.loop import train as train_run
    from .audit_line import audit_line
    from .progress import Terminal

    audited = audit_line(recipe, name, overrides or []) if isinstance(recipe, RLRecipe) else None
    with explain_end(path), with_ranks(), Terminal(console, above=audited or "") as terminal:
        train_run(recipe, path, terminal, limit)
    finish(path)


@contextmanager
def explain_end(path: Path) -> Iterator[None]:
    """Say how to continue after a signal or a spent budget, and exit as a shell expects.

    A spent budget is what the user asked for, so its exit code is 0. Such a run has no summary.json: nothing was measured after it.
    """
    from ..runs.cost import BudgetReached

    try:
        with explain_stop(f"continue with: {command_line('resume', path)}"):
            yield
    except BudgetReached as reached:
        from ..report import write_report
        from ..train.start import steps_done

        say_budget_reached(reached, command_line("resume", path))
        if done := steps_done(path):
            say(f"To measure what it has learned so far: {command_line('resume', path, '--set', f'learn.steps={done}')}")
        say(f"report: {write_report(path)}")
        raise typer.Exit from reached


def finish(path: Path) -> None:
    """Print what a finished run gained, that it got worse where it did, and write its report."""
    from ..evaluate.worse import read_worse
    from ..report import write_report
    from ..runs.folder import RunFolder
    from .progress import print_worse

    summary = RunFolder(path).read_summary()
    page = write_report(path)
    console.print(_comparison(summary))
    if worse := read_worse(path):
        print_worse(console, worse.lines(str(path)))
    say(f"report: {page}")


def _comparison(summary: dict[str, Any]) -> Table:
    from ..runs.folder import pass_at_1

    before, after, delta = summary["before"], summary["after"], summary["paired_delta"]
    k = before["k"]
    table = Table(title=f"{before['n']} held-out problems × {counted(k, 'sample')}; intervals are 95%")
    for heading in ("", "pass@1", "greedy", *([f"pass@{k}"] if k > 1 else []), "truncated", "tokens"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, row in (("before", before), ("after", after)):
        pass_k = [f"{row['pass@k'][str(k)]:.3f}"] if k > 1 else []
        table.add_row(
            name, pass_at_1(row).text(), f"{row['greedy']:.3f}", *pass_k, f"{row['truncated']:.3f}", f"{row['length']:.1f}"
        )
    table.add_row("change, paired", pass_at_1(delta).text("+.3f"))
    return table
