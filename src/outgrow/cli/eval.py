"""The command `outgrow eval`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.counted import counted
from ..core.errors import UsageError
from ..core.plugins import TO_ANSWER
from .app import MEASURE, command
from .console import console, warn
from .interrupt import interruptible
from .open_model import open_model, recipe_for
from .options import (
    SUITES_HELP,
    Fresh,
    Limit,
    MaxTokens,
    ModelArg,
    OmitSettings,
    RecipeOption,
    Seed,
    SetsFolder,
    use_data,
)
from .progress import answering
from .tables import figures_table

if TYPE_CHECKING:
    from ..engines import ChatModel
    from ..evaluate import Evaluation

Suites = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="SUITES",
        help=f"Suites of held-out problems, comma-separated: {SUITES_HELP}. Default: the recipe's suite.",
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
    typer.Option(
        "--out", help="Also write every graded sample: one suite to a Parquet file, several to a folder. Default: no file."
    ),
]


@command(
    MEASURE,
    "outgrow eval micro-base --on micro",
    "outgrow eval runs/first --samples 32",
    "outgrow eval smollm2-135m --recipe smollm2-135m-gsm8k --on related,unrelated --data sets",
    "outgrow eval http://localhost:8000/v1 --on gsm8k",
    name="eval",
    plugins=TO_ANSWER,
)
def evaluate(
    context: typer.Context,
    model: ModelArg,
    on: Suites = None,
    recipe: RecipeOption = None,
    samples: Samples = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    omit_settings: OmitSettings = None,
    limit: Limit = None,
    seed: Seed = 0,
    data: SetsFolder = None,
    out: Out = None,
    fresh: Fresh = False,
) -> None:
    """Measure a model: pass@1 with its interval, greedy, pass@k, truncation, and a table by field and level.

    A run is prompted and graded by its own recipe, any other model by --recipe. Answers are stored: the same command continues
    after a stop, and a repeated measurement asks the model nothing.
    """
    use_data(context, data)
    source = recipe_for(model, recipe)
    from ..config.sections import EvaluateSection
    from ..evaluate import evaluate as measure
    from ..evaluate import require_room
    from ..evaluate.answer_cache import AnswerCache
    from ..evaluate.conditions import conditions
    from ..evaluate.unread import unread
    from ..policy.pull import cache_folder
    from ..policy.unknown_characters import warn_of_unknown
    from ..problems.limit import limited
    from ..problems.suites import samples_for, suite, suites
    from ..runs.practice_problems import suite_problems
    from ..runs.session import sampling_for, verifier_for

    section = source.evaluate if source else EvaluateSection()
    if on is None and source is None:
        raise UsageError(
            f"{model} has no recipe that says what to measure; add --on problems.jsonl, --on micro, or --recipe RECIPE"
        )
    names = suites(on or section.suite)
    if out is not None:
        _require_place(out, len(names))
    whole = {name: suite_problems(source, name, warn) if source else suite(name).load(warn) for name in names}
    problems = {name: limited(whole[name], limit, seed)[0] for name in names}
    limits = {name: limited(whole[name], limit, seed)[1] for name in names}
    respondent = open_model(model, source, omit_settings)
    asked = (problem for name in names for problem in problems[name])
    warn_of_unknown(respondent.unknown_characters, asked, warn)
    sampling = sampling_for(source, respondent, temperature or section.temperature, max_tokens)
    for name in names:
        require_room(name, respondent, problems[name], sampling.max_tokens, "--max-tokens")
    sizes = {name: samples or (section.samples if name == section.suite else samples_for(len(whole[name]))) for name in names}
    questions = 2 * sum(map(len, problems.values()))  # sampled, and greedy
    notes: list[str] = []
    answers = sum((sizes[name] + 1) * len(problems[name]) for name in names)
    with (
        interruptible(f"run the same command{' without --fresh' if fresh else ''} to continue") as check_stop,
        _printed(model, names, _temperature(respondent, sampling.temperature)) as summaries,
        answering("measuring", answers, sampling.max_tokens) as tally,
        verifier_for(source) as verifier,
        AnswerCache(cache_folder() / "answers.sqlite", fresh, warn) as cache,
    ):
        counted, watch = tally.wrap(cache.wrap(respondent)), tally.watching(check_stop)
        for name in names:
            evaluation = measure(counted, verifier, problems[name], sizes[name], sampling, seed, watch, limits[name])
            summaries[name] = evaluation.summary()
            notes += _refusals(name, evaluation)
            setting = 'verify.extract = ["{}"] in the recipe'
            answered = [sample for sample in evaluation.samples if not sample.refused]
            lines = unread(answered, verifier.extractors, setting, respondent.opens_think)
            notes += [f"{name}: {lines[0]}", *lines[1:]] if lines else []
            if out is not None:
                evaluation = replace(evaluation, conditions=conditions(source, sampling, sizes[name], seed, respondent))
                if len(names) > 1:
                    out.mkdir(exist_ok=True)
                evaluation.save(out if len(names) == 1 else out / f"{name.replace('/', '+')}.parquet")
    for note in notes:
        warn(note)
    if cache.found:
        were = "was" if cache.found == 1 else "were"
        warn(f"{cache.found:,} of {questions:,} questions {were} answered from the store; --fresh asks again")


def _require_place(out: Path, suites: int) -> None:
    """Raise UsageError or OutgrowError if --out cannot be written: a file for one suite, a folder for several."""
    from ..core.files import require_writable

    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    if suites == 1 and out.is_dir():
        raise UsageError(f"--out {out} is a folder; the samples of one suite are a file, for example {out}/samples.parquet")
    if suites > 1 and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; the samples of several suites need a folder")
    require_writable(out if suites > 1 and out.exists() else out.parent)


def _temperature(respondent: "ChatModel", temperature: float) -> str:
    """Return the temperature that is measured, as text; a server may be left to its own."""
    from ..engines import OpenAIServer

    own = isinstance(respondent, OpenAIServer) and "temperature" in respondent.omit_settings
    return "the server's own temperature" if own else f"temperature {temperature:g}"


def _refusals(suite: str, evaluation: "Evaluation") -> list[str]:
    """Return a line that says how many questions the server refused, and why; nothing where it refused none."""
    reasons = {sample.problem_id: sample.refused for sample in evaluation.samples if sample.refused}
    if not reasons:
        return []
    problems = len({sample.problem_id for sample in evaluation.samples})
    first = next(iter(reasons.values()))
    return [f"{suite}: the server refused {len(reasons):,} of {problems:,} questions ({first}); they count as failed"]


def _length(summary: dict[str, Any], places: int) -> str:
    """Return the mean length of the answers, in tokens."""
    return "unknown" if summary["length"] is None else f"{summary['length']:.{places}f}"


@contextmanager
def _printed(model: str, suites: list[str], temperature: str) -> Iterator[dict[str, dict[str, Any]]]:
    """Yield a dict that takes a summary for each suite; print those that it has at the end, even after a stop."""
    summaries: dict[str, dict[str, Any]] = {}
    try:
        yield summaries
    finally:
        if summaries and len(suites) == 1:
            _show_one(f"{model} on {suites[0]}, {temperature}", summaries[suites[0]])
        elif summaries:
            seeds = {summary["limit"]["seed"] for summary in summaries.values() if "limit" in summary}
            sample = "".join(f"; samples of suites by seed {seed}" for seed in seeds)
            _show_all(f"{model}, {temperature}{sample}", summaries)


def _show_all(title: str, summaries: dict[str, dict[str, Any]]) -> None:
    """Print a line for each suite."""
    from ..runs.folder import pass_at_1

    headings = ("suite", "pass@1 (95% interval)", "n × k", "greedy", "cut off", "no answer", "tokens")
    table = figures_table(*headings, title=title, text=["suite"], whole=["suite", "n × k"])
    for name, summary in summaries.items():
        shares = (f"{summary[part]:.3f}" for part in ("greedy", "truncated", "no_answer"))
        of = f" of {summary['limit']['of']:,}" if "limit" in summary else ""
        n = f"{summary['n']:,}{of} × {summary['k']}"
        table.add_row(name, pass_at_1(summary).text(), n, *shares, _length(summary, 0))
    console.print(table)


def _show_one(title: str, summary: dict[str, Any]) -> None:
    """Print the figures of one suite, and pass@1 by field and level."""
    from ..problems.limit import Limit as ProblemLimit
    from ..runs.folder import pass_at_1

    n = f"{ProblemLimit(**summary['limit'])}," if "limit" in summary else f"{summary['n']:,} problems"
    console.print(
        f"{title}, n = {n} × {counted(summary['k'], 'sample')}\n"
        f"pass@1 {pass_at_1(summary).text()}   greedy {summary['greedy']:.3f}   "
        + "   ".join(f"pass@{k} {value:.3f}" for k, value in summary["pass@k"].items() if k != "1")
        + f"\ntruncated {summary['truncated']:.3f}   "
        f"no answer {summary['no_answer']:.3f}   mean length {_length(summary, 1)} tokens"
        + (f"   refused {summary['refused']:.3f}" if summary["refused"] else ""),
        highlight=False,
    )
    levels = sorted({cell["level"] for cell in summary["cells"]})
    table = figures_table("field", *map(str, levels), title="pass@1 by field and level", text=["field"])
    cells = {(cell["field"], cell["level"]): cell["pass@1"] for cell in summary["cells"]}
    for field in dict.fromkeys(cell["field"] for cell in summary["cells"]):
        table.add_row(field, *(f"{cells[field, level]:.2f}" if (field, level) in cells else "" for level in levels))
    console.print(table)
