"""The command `outgrow judge`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from .app import MEASURE, command
from .console import say, warn
from .interrupt import interruptible
from .judge_tables import show, show_canaries, show_levels
from .options import Fresh, Seed, separated
from .progress import answering

if TYPE_CHECKING:
    from ..judge.config import JudgeSection


@command(
    MEASURE,
    "outgrow judge runs/micro-judge runs/micro --recipe micro-judged",
    "outgrow judge http://localhost:8001/v1 runs/first runs/second --answers 256",
)
def judge(
    model: Annotated[
        str, typer.Argument(metavar="JUDGE", help="A model by any of its names, or the address of a server that runs it.")
    ],
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Runs whose graded rollouts are scored, with spaces or commas."),
    ],
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="RECIPE",
            help="Use rubric, samples and lengths of this recipe's table \\[judge]. Default: the defaults of that table.",
        ),
    ] = None,
    answers: Annotated[
        int, typer.Option("--answers", min=2, help="Number of distinct answers to score, spread evenly over fields and levels.")
    ] = 512,
    seed: Seed = 0,
    fresh: Fresh = False,
) -> None:
    """Measure a judge before using it: how well its scores separate right from wrong answers, and how it scores empty ones.

    AUC is the chance that a right answer scores above a wrong one; below 0.7, a run with this judge raises an alarm. Among the 10%
    of answers with the best scores, the share of right ones should be much larger than among all. Answers without content should
    score as wrong answers do.

    Answers cut by the token limit are not scored. Scores are stored: the same command continues after a stop, and a repeated
    measurement asks the judge nothing.
    """
    section = _section(model, recipe)
    from ..evaluate.answer_cache import AnswerCache
    from ..judge.benchmark import canary_items, run_benchmark, sample_rollouts
    from ..judge.judge import Judge
    from ..policy.pull import cache_folder
    from ..runs.folder import read_recipe
    from ..train.judge_scores import judge_model

    folders = [Path(run) for run in separated(runs)]
    for run in folders:
        read_recipe(run)  # so that a wrong name is an error before anything is read
    rows = sample_rollouts(folders, answers, seed)
    canaries = canary_items(rows, seed)
    respondent = judge_model(section, warn)
    replies = section.samples * (len(rows) + sum(map(len, canaries.values())))  # of the first try
    with (
        interruptible() as check_stop,
        answering("scoring", replies, section.max_tokens) as tally,
        AnswerCache(cache_folder() / "answers.sqlite", fresh, warn) as cache,
    ):
        scorer = Judge(tally.wrap(cache.wrap(respondent)), section, seed)
        result = run_benchmark(scorer, rows, canaries, tally.watching(check_stop))
    how = f"with the table [judge] of {recipe}" if recipe else "with the default rubric"
    say(f"{model}, {how}, on answers of {', '.join(map(str, folders))}")
    show(result.answers)
    show_levels(result.answers)
    show_canaries(result.canaries)
    unscored = sum(answer.score is None for answer in result.answers)
    if unscored > section.max_unscored * len(rows):
        warn(f"too few answers have a score; a run would end with: {scorer.failure(unscored, len(rows))}")


def _section(model: str, recipe: str | None) -> "JudgeSection":
    """Return the table [judge] of a recipe, for this model. Raises UsageError if the recipe has no such table."""
    from ..config import RLRecipe, load_recipe
    from ..judge.config import JudgeSection

    if recipe is None:
        return JudgeSection(model=model)
    read = load_recipe(recipe)
    section = read.judge if isinstance(read, RLRecipe) else None
    if section is None:
        raise UsageError(f"{recipe}: this recipe has no table [judge]; give one that has it, or drop --recipe")
    return section.model_copy(update={"model": model, "revision": None})
