"""The command `outgrow flywheel`."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from ..core.errors import UsageError
from ..core.plugins import ANY_KIND
from ..core.shell import command_line
from .app import DATA, command
from .console import console, say
from .interrupt import explain_stop, say_budget_reached
from .options import BudgetOption, Overrides
from .progress import Terminal

if TYPE_CHECKING:
    from ..flywheel import FlywheelRecipe
    from ..flywheel.result import FlywheelResult


@command(
    DATA,
    "outgrow flywheel micro-flywheel",
    "outgrow flywheel micro-flywheel --set generations=3 --set student.learn.steps=50",
    "outgrow flywheel runs/micro-flywheel",
    plugins=ANY_KIND,
)
def flywheel(
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="Name of a shipped flywheel, a .toml file, or the folder of a flywheel to continue."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Folder of the flywheel. Default: runs/RECIPE.")
    ] = None,
    overrides: Overrides = None,
    budget: BudgetOption = None,
) -> None:
    """Train in generations: a teacher, a student, synthetic data from the better of the two, and a new base trained on it.

    Run the same command again to continue after a stop. Finished stages are reused; after a change of the recipe, only the stages
    that depend on it run again.
    """
    wheel, folder = _wheel(recipe, out, overrides or [])
    from ..core.errors import OutgrowError
    from ..flywheel.run import run_flywheel
    from ..flywheel.stage_cache import ProcessFull
    from ..runs.cost import BudgetReached, parse_budget

    limit = parse_budget(budget or [])
    command = command_line("flywheel", folder)
    try:
        with explain_stop(f"continue with: {command}"), Terminal(console) as terminal:
            result = run_flywheel(wheel, folder, terminal, limit)
    except BudgetReached as reached:
        say_budget_reached(reached, command)
        raise typer.Exit from reached
    except ProcessFull:
        os.execv(
            sys.executable, [sys.executable, "-m", "outgrow", *sys.argv[1:]]
        )  # the same command, with memory for its next stage
    except UsageError:
        raise
    except OutgrowError as error:
        if not (folder / "flywheel.toml").is_file():
            raise
        raise type(error)(f"{error}; progress is saved, continue with: {command}") from error
    _show(result)
    say(f"page: {folder / 'flywheel.html'}")


def _wheel(recipe: str, out: Path | None, overrides: list[str]) -> "tuple[FlywheelRecipe, Path]":
    """Return the recipe and the folder of a flywheel, new or to be continued. Raises UsageError if --out is another folder."""
    from ..flywheel import load_flywheel

    begun = Path(recipe) / "flywheel.toml"
    if not begun.is_file():
        wheel = load_flywheel(recipe, overrides)
        return wheel, out or Path("runs") / wheel.name
    if out is not None and out.resolve() != begun.parent.resolve():
        raise UsageError(f"{recipe} already holds a flywheel and continues in place; drop --out")
    return load_flywheel(str(begun), overrides), begun.parent


def _show(result: "FlywheelResult") -> None:
    from ..flywheel.summary import headline, sentences, short_table, spent

    rows = short_table(result)
    table = Table(
        box=SIMPLE,
        pad_edge=False,
        collapse_padding=True,
        title=f"{escape(result.recipe.suite)}; 95% intervals, differences in points",
    )
    for heading in rows.columns:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for row in rows.rows:
        table.add_row(*row)
    console.print(table)
    for line in (headline(result), *sentences(result), f"total: {spent(result)}"):
        say(line)
