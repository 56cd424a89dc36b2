"""The command `outgrow passrate`."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ..core.counted import counted
from ..core.plugins import TO_ANSWER
from .app import MEASURE, command
from .console import console, say, warn
from .interrupt import interruptible
from .open_model import open_model, recipe_for
from .options import Limit, MaxTokens, ModelArg, OmitSettings, ProblemsArg, RecipeOption, Seed
from .progress import answering

if TYPE_CHECKING:
    from ..evaluate.pass_rates import PassRate
    from ..problems.limit import Limit as ProblemLimit


@command(
    MEASURE,
    "outgrow passrate micro-base micro",
    "outgrow passrate micro-base micro --update",
    "outgrow passrate smollm2-135m problems.jsonl --recipe smollm2-135m-gsm8k",
    plugins=TO_ANSWER,
)
def passrate(
    model: ModelArg,
    data: ProblemsArg,
    recipe: RecipeOption = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Answers sampled for each problem.")] = 10,
    temperature: Annotated[float, typer.Option("--temperature", min=0.01, help="Sampling temperature.")] = 0.6,
    max_tokens: MaxTokens = None,
    omit_settings: OmitSettings = None,
    limit: Limit = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Folder of the profile. Default: profiles/PROBLEMS.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Add --samples more answers for each problem of a finished profile.")
    ] = False,
) -> None:
    """Measure the pass rate of every problem before training: a histogram, a Parquet table, and a ledger.

    Run the same command again to continue after a stop. A recipe starts from the profile with --set ledger.profile=profiles/….
    """
    source = recipe_for(model, recipe)
    from ..core.addresses import shown_model
    from ..core.fresh_folder import FreshFolder, undone_on_failure
    from ..engines import LocalModel, OpenAIServer
    from ..evaluate.answer_cache import AnswerCache
    from ..evaluate.pass_rates import ProfileSpec, fill, has_answers, open_profile
    from ..policy.pull import cache_folder
    from ..problems.limit import limited
    from ..runs.practice_problems import problems_of
    from ..runs.session import sampling_for, verifier_for
    from ..runs.sessions import STOPS

    every, as_recipe = problems_of(data, warn)
    problems, sample = limited(every, limit, seed)
    source = source or as_recipe
    respondent = open_model(model, source, omit_settings)
    sampling = sampling_for(source, respondent, temperature, max_tokens)
    if isinstance(respondent, LocalModel):
        digest = respondent.policy.digest()
    else:
        with AnswerCache(cache_folder() / "answers.sqlite", warn=warn) as cache:
            digest = hashlib.sha256(cache.who(respondent).encode()).hexdigest()
    folder = out or Path("profiles") / Path(data).stem
    how = "as it is" if source is None else f"{source.prompt.model_dump_json()} {source.verify.model_dump_json()}"
    if isinstance(respondent, OpenAIServer) and respondent.omit_settings:
        how += f" without {','.join(respondent.omit_settings)}"
    name, length = shown_model(model), sampling.max_tokens
    spec = ProfileSpec(name, digest, data, len(problems), samples, temperature, length, seed, how, limit=sample)
    fresh = FreshFolder.of(folder)
    spec = open_profile(folder, spec, update)
    with (
        interruptible() as check_stop,
        undone_on_failure(fresh, lambda: has_answers(folder), STOPS),
        answering("measuring", spec.samples * len(problems), spec.max_tokens) as tally,
        verifier_for(source) as verifier,
    ):
        table = fill(folder, spec, respondent, verifier, sampling, problems, tally.watching(check_stop), tally)
    _show(table, sample)
    say(f"{folder / 'pass_rates.parquet'}")


def _show(table: "list[PassRate]", sample: "ProblemLimit | None") -> None:
    """Print a histogram of pass rates, and the shares of easy, medium and hard problems."""
    problems = f"{sample}," if sample else f"{len(table):,} problems"
    bars = Table(box=None, pad_edge=False)
    for heading in ("pass rate", "problems", "share", ""):
        bars.add_column(heading, justify="left" if not heading else "right")
    counts = [0] * 11
    for row in table:
        counts[0 if row.right == 0 else 10 if row.right == row.n else min(9, 1 + int(9 * row.pass_rate))] += 1
    labels = ["0", *(f"under {(place + 1) / 9:.2f}" for place in range(9)), "1"]
    for label, count in zip(labels, counts, strict=True):
        bars.add_row(label, f"{count:,}", f"{count / len(table):.1%}", "█" * round(40 * count / max(counts)))
    console.print(bars)
    n = len(table)
    bands = [sum(row.band == name for row in table) for name in ("easy", "medium", "hard")]
    console.print(
        f"n = {problems} × {counted(table[0].n, 'sample')}   mean {sum(row.pass_rate for row in table) / n:.3f}   "
        f"easy {bands[0] / n:.1%}   medium {bands[1] / n:.1%}   hard {bands[2] / n:.1%}   "
        f"truncated {sum(row.truncated for row in table) / n:.1%}",
        highlight=False,
    )
