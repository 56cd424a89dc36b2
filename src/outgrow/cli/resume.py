"""The command `outgrow resume`."""

from typing import Annotated

import typer

from ..core.counted import counted
from ..core.plugins import ANY_KIND
from ..core.shell import command_line
from .app import TRAIN, command
from .console import console, say, strip_control_chars
from .options import BudgetOption, Overrides, RunFolder
from .ranks import launch, serve_other_rank, with_ranks
from .run_training import explain_end, finish


@command(TRAIN, "outgrow resume runs/first", "outgrow resume runs/first --budget 20h", plugins=ANY_KIND)
def resume(
    run: RunFolder,
    overrides: Overrides = None,
    budget: BudgetOption = None,
    accept_loss: Annotated[
        bool,
        typer.Option("--accept-loss", help="Continue where files that belong to the checkpoint are lost or changed, without them."),
    ] = False,
) -> None:
    """Continue a run from its newest checkpoint after Ctrl-C, a crash, a full disk or a spent budget.

    A finished run takes --set learn.steps=… for more steps. A run that run.on_worse ended early continues from its last good
    checkpoint with a setting changed, for example --set learn.lr=1e-4. Where --set changes how the run is measured, its start is
    measured again, so that before and after stay comparable.
    """
    from ..evaluate.worse import early_end
    from ..runs.cost import parse_budget
    from ..runs.folder import RunFolder as RunFiles
    from ..runs.folder import read_recipe
    from ..runs.sessions import read_sessions

    serve_other_rank()
    launch(read_recipe(run, overrides or [])[0].learn.ranks, run)
    from ..train.loop import resume as resume_run
    from .progress import Terminal

    limit = parse_budget(budget or [])
    sessions = read_sessions(run)
    if sessions and sessions[-1].end != "finished":
        say(f"{run}: {strip_control_chars(sessions[-1].sentence())}")
    with explain_end(run), with_ranks(), Terminal(console) as terminal:
        resumed = resume_run(run, overrides or [], terminal, limit, accept_loss=accept_loss)
    if not resumed and (ended := early_end(run)):
        say(
            f"{run} ended with the policy of step {ended.policy_step}: at step {ended.step} held-out problems were worse. "
            f"{ended.reason} {ended.advice(str(run))}"
        )
    elif not resumed:
        steps = read_recipe(run)[0].learn.steps
        more = command_line("resume", run, "--set", f"learn.steps={2 * steps}")
        say(f"{run} is finished after {counted(steps, 'step')}; ask for more with: {more}")
    if resumed or not RunFiles(run).report.exists():
        finish(run)
