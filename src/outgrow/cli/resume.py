"""The command `outgrow resume`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import app
from .console import console
from .options import BudgetHours, BudgetUSD, Overrides, example
from .run_training import budget, finish, saying_how_it_ended

if TYPE_CHECKING:
    pass


@app.command(epilog=example("outgrow resume runs/first", "outgrow resume runs/first --budget-hours 20"))
def resume(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    overrides: Overrides = None,
    budget_usd: BudgetUSD = None,
    budget_hours: BudgetHours = None,
) -> None:
    """Continue a run exactly where its newest checkpoint stands: after a kill, Ctrl-C, a full disk, or a spent budget."""
    from ..train.loop import resume as resume_run
    from .progress import Terminal

    with Terminal(console) as terminal, saying_how_it_ended(run):
        resume_run(run, overrides or [], terminal, budget(budget_usd, budget_hours))
    finish(run)
