"""The command `outgrow judge`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from .app import app
from .console import console, errors, warn
from .judge_tables import show, show_canaries, show_levels
from .options import example
from .progress import counting

if TYPE_CHECKING:
    from ..judge.config import JudgeSection


@app.command(
    epilog=example(
        "outgrow judge runs/micro-judge runs/micro --recipe micro-judged",
        "outgrow judge http://localhost:8001/v1 runs/first runs/second --answers 256",
    )
)
def judge(
    model: Annotated[
        str,
        typer.Argument(metavar="JUDGE", help="A model by any of its names, or the address of a server that holds it."),
    ],
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs whose rollouts, graded by the checker, are scored.")],
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="Ask as its table [judge] says: rubric, samples, lengths; left out, the defaults."),
    ] = None,
    answers: Annotated[int, typer.Option("--answers", min=2, help="So many different ones, from fields and levels in turn.")] = 512,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Ask again what an earlier call has asked.")] = False,
) -> None:
    """Measure a judge before it is trusted: how well its scores tell right answers from wrong ones, and what it gives for nothing.

    The AUC is the chance that a right answer scores above a wrong one; below 0.7 a run with this judge rings an alarm. Of the tenth
    that it scores best a much larger share should be right than of all. Answers that say nothing should score as wrong ones do.

    Answers that the token limit cut are left out: no judge is asked of them. Scores are kept: a call that was stopped goes on where
    it was, and one that was made before costs nothing.
    """
    from ..evaluate.answer_cache import AnswerCache
    from ..judge import benchmark as trial
    from ..judge.judge import Judge
    from ..policy.pull import cache_folder
    from ..runs.folder import read_recipe
    from ..runs.signals import Interrupt, StopRequested
    from ..train.judge_scores import judge_model

    section = _section(model, recipe)
    for run in runs:
        read_recipe(run)  # a name that is no run's is told before anything is read
    rows = trial.drawn(runs, answers, seed)
    nothing = trial.canaries_of(rows, seed)
    respondent = judge_model(section, warn)
    whole = len(rows) + sum(map(len, nothing.values()))
    with (
        counting("scoring", whole) as progress,
        Interrupt() as interrupt,
        AnswerCache(cache_folder() / "answers.sqlite", fresh, warn, progress) as cache,
    ):
        try:
            asked = Judge(cache.wrap(respondent), section, seed)
            found = trial.held(asked, rows, nothing, interrupt.check_stop)
        except StopRequested as stop:
            errors.print(f"stopped by {stop}, what is done is kept; the same command goes on with it", markup=False)
            raise typer.Exit(stop.exit_code) from stop
    how = f"as the recipe {recipe} asks it" if recipe else "with the rubric that is the default"
    console.print(f"{model}, {how}, on answers of {', '.join(map(str, runs))}", markup=False, highlight=False, soft_wrap=True)
    show(found.answers)
    show_levels(found.answers)
    show_canaries(found.canaries)
    without = sum(one.score is None for one in found.answers)
    if without > section.max_unscored * len(rows):
        warn(f"too few have a score; a run would end with: {asked.failure(without, len(rows))}")


def _section(model: str, recipe: str | None) -> "JudgeSection":
    """What the judge is asked. Raises UsageError where the recipe has nothing to say of that."""
    from ..config import RLRecipe, load_recipe
    from ..judge.config import JudgeSection

    if recipe is None:
        return JudgeSection(model=model)
    read = load_recipe(recipe)
    section = read.judge if isinstance(read, RLRecipe) else None
    if section is None:
        raise UsageError(f"{recipe}: this recipe has no table [judge]; name one that has, or leave --recipe out")
    return section.model_copy(update={"model": model, "revision": None})
