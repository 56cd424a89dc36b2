"""The command `outgrow resume`."""

from .app import TRAIN, command
from .console import console
from .options import BudgetHours, BudgetUSD, Overrides, RunFolder
from .run_training import budget_of, explain_end, finish


@command(TRAIN, "outgrow resume runs/first", "outgrow resume runs/first --budget-hours 20")
def resume(
    run: RunFolder,
    overrides: Overrides = None,
    budget_usd: BudgetUSD = None,
    budget_hours: BudgetHours = None,
) -> None:
    """Continue a run from its newest checkpoint after Ctrl-C, a crash, a full disk or a spent budget."""
    from ..train.loop import resume as resume_run
    from .progress import Terminal

    with explain_end(run), Terminal(console) as terminal:
        resume_run(run, overrides or [], terminal, budget_of(budget_usd, budget_hours))
    finish(run)
