"""The command `outgrow resume`."""

from .app import TRAIN, command
from .console import console, say
from .options import BudgetHours, BudgetUSD, Overrides, RunFolder
from .run_training import budget_of, explain_end, finish


@command(TRAIN, "outgrow resume runs/first", "outgrow resume runs/first --budget-hours 20")
def resume(
    run: RunFolder,
    overrides: Overrides = None,
    budget_usd: BudgetUSD = None,
    budget_hours: BudgetHours = None,
) -> None:
    """Continue a run from its newest checkpoint after Ctrl-C, a crash, a full disk or a spent budget.

    A finished run takes --set learn.steps=… for more steps. A run that run.on_worse ended early continues from its last good
    checkpoint with a setting changed, for example --set learn.lr=1e-4. Where --set changes how the run is measured, its start is
    measured again, so that before and after stay comparable.
    """
    from ..evaluate.worse import early_end
    from ..runs.folder import RunFolder as RunFiles
    from ..runs.folder import read_recipe
    from ..train.loop import resume as resume_run
    from .progress import Terminal

    with explain_end(run), Terminal(console) as terminal:
        resumed = resume_run(run, overrides or [], terminal, budget_of(budget_usd, budget_hours))
    if not resumed and (ended := early_end(run)):
        say(
            f"{run} ended with the policy of step {ended.policy_step}: at step {ended.step} held-out problems were worse. "
            f"{ended.reason} {ended.advice(str(run))}"
        )
    elif not resumed:
        steps = read_recipe(run)[0].learn.steps
        say(f"{run} is finished after {steps} steps; ask for more with: outgrow resume {run} --set learn.steps={2 * steps}")
    if resumed or not RunFiles(run).report.exists():
        finish(run)
