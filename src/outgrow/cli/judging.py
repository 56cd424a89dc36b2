"""The command that looks at a judge before it is trusted: judge."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from ..core.errors import UsageError
from .app import app
from .progress import counting
from .shared import console, errors, example, warn

if TYPE_CHECKING:
    from ..core.estimate import Estimate
    from ..judge.config import JudgeSection
    from ..judge.quality import ScoredAnswer


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
    from ..judge.benchmark import canary_items, run_benchmark, sample_rollouts
    from ..judge.judge import Judge
    from ..policy.pull import cache_folder
    from ..runs.folder import read_recipe
    from ..runs.signals import Interrupt, StopRequested
    from ..train.judge_scores import judge_model

    section = _section(model, recipe)
    for run in runs:
        read_recipe(run)  # a name that is no run's is told before anything is read
    rows = sample_rollouts(runs, answers, seed)
    canaries = canary_items(rows, seed)
    respondent = judge_model(section, warn)
    whole = len(rows) + sum(map(len, canaries.values()))
    with (
        counting("scoring", whole) as progress,
        Interrupt() as interrupt,
        AnswerCache(cache_folder() / "answers.sqlite", fresh, warn, progress) as cache,
    ):
        try:
            asked = Judge(cache.wrap(respondent), section, seed)
            found = run_benchmark(asked, rows, canaries, interrupt.check_stop)
        except StopRequested as stop:
            errors.print(f"stopped by {stop}, what is done is kept; the same command goes on with it", markup=False)
            raise typer.Exit(stop.exit_code) from stop
    how = f"as the recipe {recipe} asks it" if recipe else "with the rubric that is the default"
    console.print(f"{model}, {how}, on answers of {', '.join(map(str, runs))}", markup=False, highlight=False, soft_wrap=True)
    _show(found.answers)
    _show_levels(found.answers)
    _show_canaries(found.canaries)
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


def _show(answers: "Sequence[ScoredAnswer]") -> None:
    from ..judge.quality import quality

    found = quality(answers)
    table = Table(box=SIMPLE, pad_edge=False, show_header=False)
    table.add_row("answers", f"{found.n:,} to {found.problems:,} problems")
    table.add_row("no score", f"{found.unscored:,} ({found.unscored / found.n:.1%}), left out of what follows")
    table.add_row("right", _text(found.right))
    table.add_row("mean score of right answers", _text(found.mean_right))
    table.add_row("mean score of wrong answers", _text(found.mean_wrong))
    table.add_row("AUC (right above wrong, ties half)", _text(found.auc))
    table.add_row(f"right of the {found.top_n:,} that score best", _text(found.top))
    console.print(table)
    if found.auc is None:
        console.print(
            "no answer of one kind, right or wrong, has a score: take runs, or more answers, that hold both", soft_wrap=True
        )


def _show_levels(answers: "Sequence[ScoredAnswer]") -> None:
    from ..judge.quality import quality

    levels = sorted({one.level for one in answers})
    if len(levels) < 2:
        return
    table = Table(title="by level", title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("level", "answers", "no score", "right", "AUC"):
        table.add_column(heading, justify="right")
    for level in levels:
        found = quality([one for one in answers if one.level == level])
        table.add_row(str(level), f"{found.n:,}", f"{found.unscored:,}", _text(found.right), _text(found.auc))
    console.print(table)


def _show_canaries(canaries: dict[str, list[float | None]]) -> None:
    from ..evaluate.statistics import mean_estimate

    table = Table(title="answers that say nothing", title_justify="left", box=SIMPLE, pad_edge=False)
    for heading in ("kind", "answers", "no score", "mean score"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind, scores in canaries.items():
        known = [score for score in scores if score is not None]
        table.add_row(kind, f"{len(scores):,}", f"{len(scores) - len(known):,}", _text(mean_estimate(known)))
    console.print(table)


def _text(figure: "Estimate | None") -> str:
    return figure.text() if figure else ""
