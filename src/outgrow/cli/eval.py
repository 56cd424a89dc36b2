"""The command `outgrow eval`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import UsageError
from .app import MEASURE, command
from .console import console, warn
from .interrupt import interruptible
from .open_model import open_model, recipe_for, sampling_for
from .options import SUITES_HELP, Fresh, MaxTokens, ModelArg, RecipeOption, Seed, SetsFolder, use_data
from .progress import counting
from .tables import figures_table

Suites = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="SUITES",
        help=f"Suites of held-out problems, comma-separated: {SUITES_HELP}. Default: the recipe's suite; without a recipe, micro.",
    ),
]
Samples = Annotated[
    int | None,
    typer.Option(
        "--samples",
        min=1,
        help="Answers sampled for each problem. Default: the recipe's number on its own suite, else 4 to 32, fewer for a larger "
        "suite.",
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", min=0.01, help="Sampling temperature. Default: the recipe's evaluate.temperature, or 1."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Also write every graded sample: to a Parquet file for one suite, to a folder for several."),
]


@command(
    MEASURE,
    "outgrow eval micro-base",
    "outgrow eval runs/first --samples 32",
    "outgrow eval smollm2-135m --recipe smollm2-135m-gsm8k --on related,unrelated --data sets",
    "outgrow eval http://localhost:8000/v1 --on gsm8k",
    name="eval",
)
def evaluate(
    context: typer.Context,
    model: ModelArg,
    on: Suites = None,
    recipe: RecipeOption = None,
    samples: Samples = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    seed: Seed = 0,
    data: SetsFolder = None,
    out: Out = None,
    fresh: Fresh = False,
) -> None:
    """Measure a model: pass@1 with its interval, greedy, pass@k, truncation, and a table by field and level.

    A run is prompted and graded by its own recipe, any other model by --recipe. Answers are stored: the same command continues
    after a stop, and a repeated measurement asks the model nothing.
    """
    from ..config.sections import EvaluateSection
    from ..evaluate import evaluate as measure
    from ..evaluate import require_room
    from ..evaluate.answer_cache import AnswerCache
    from ..evaluate.conditions import conditions
    from ..policy.pull import cache_folder
    from ..problems.suites import samples_for, suite, suites
    from ..runs.session import verifier_for

    use_data(context, data)
    source = recipe_for(model, recipe)
    section = source.evaluate if source else EvaluateSection()
    names = suites(on or section.suite)
    if out is not None:
        _require_place(out, len(names))
    problems = {name: suite(name).load(warn) for name in names}
    respondent = open_model(model, source)
    sampling = sampling_for(source, respondent, temperature or section.temperature, max_tokens)
    for name in names:
        require_room(name, respondent, problems[name], sampling.max_tokens, "--max-tokens")
    questions = 2 * sum(map(len, problems.values()))  # sampled, and greedy
    with (
        interruptible(f"run the same command{' without --fresh' if fresh else ''} to continue") as check_stop,
        _printed(model, names, sampling.temperature) as summaries,
        counting("measuring", questions) as progress,
        verifier_for(source) as verifier,
        AnswerCache(cache_folder() / "answers.sqlite", fresh, warn, progress) as cache,
    ):
        for name in names:
            k = samples or (section.samples if name == section.suite else samples_for(len(problems[name])))
            evaluation = measure(cache.wrap(respondent), verifier, problems[name], k, sampling, seed, check_stop)
            summaries[name] = evaluation.summary()
            if out is not None:
                evaluation = replace(evaluation, conditions=conditions(source, sampling, k, seed))
                evaluation.save(out if len(names) == 1 else out / f"{name.replace('/', '+')}.parquet")
    if cache.found:
        warn(f"{cache.found:,} of {questions:,} questions were answered from the store; --fresh asks them again")


def _require_place(out: Path, suites: int) -> None:
    """Raise UsageError if --out cannot be written: a file for one suite, a folder for several."""
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    if suites == 1 and out.is_dir():
        raise UsageError(f"--out {out} is a folder; the samples of one suite are a file, for example {out}/samples.parquet")
    if suites > 1 and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; the samples of several suites need a folder")
    if suites > 1:
        out.mkdir(exist_ok=True)


@contextmanager
def _printed(model: str, suites: list[str], temperature: float) -> Iterator[dict[str, dict[str, Any]]]:
    """Yield a dict that takes a summary for each suite; print those that it has at the end, even after a stop."""
    summaries: dict[str, dict[str, Any]] = {}
    try:
        yield summaries
    finally:
        if summaries and len(suites) == 1:
            _show_one(f"{model} on {suites[0]}, temperature {temperature:g}", summaries[suites[0]])
        elif summaries:
            _show_all(f"{model}, temperature {temperature:g}", summaries)


def _show_all(title: str, summaries: dict[str, dict[str, Any]]) -> None:
    """Print a line for each suite."""
    from ..runs.folder import pass_at_1

    headings = ("suite", "pass@1 (95% interval)", "n × k", "greedy", "cut off", "no answer", "tokens")
    table = figures_table(*headings, title=title, text=["suite"], whole=["suite", "n × k"])
    for name, summary in summaries.items():
        shares = (f"{summary[part]:.3f}" for part in ("greedy", "truncated", "no_answer"))
        table.add_row(name, pass_at_1(summary).text(), f"{summary['n']} × {summary['k']}", *shares, f"{summary['length']:.0f}")
    console.print(table)


def _show_one(title: str, summary: dict[str, Any]) -> None:
    """Print the figures of one suite, and pass@1 by field and level."""
    from ..runs.folder import pass_at_1

    console.print(
        f"{title}, n = {summary['n']} problems × {summary['k']} samples\n"
        f"pass@1 {pass_at_1(summary).text()}   greedy {summary['greedy']:.3f}   "
        + "   ".join(f"pass@{k} {value:.3f}" for k, value in summary["pass@k"].items() if k != "1")
        + f"\ntruncated {summary['truncated']:.3f}   "
        f"no answer {summary['no_answer']:.3f}   mean length {summary['length']:.1f} tokens",
        highlight=False,
    )
    levels = sorted({cell["level"] for cell in summary["cells"]})
    table = figures_table("field", *map(str, levels), title="pass@1 by field and level", text=["field"])
    cells = {(cell["field"], cell["level"]): cell["pass@1"] for cell in summary["cells"]}
    for field in dict.fromkeys(cell["field"] for cell in summary["cells"]):
        table.add_row(field, *(f"{cells[field, level]:.2f}" if (field, level) in cells else "" for level in levels))
    console.print(table)
