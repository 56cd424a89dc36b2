"""Commands that measure: eval, verify."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table

from ..core.errors import UsageError, nearest
from .app import app
from .progress import counting
from .shared import (
    ModelArg,
    RecipeOption,
    console,
    default_max_tokens,
    errors,
    example,
    open_model,
    recipe_for,
    use_data,
    warn,
)


@app.command(
    "eval",
    epilog=example(
        "outgrow eval micro-base",
        "outgrow eval runs/first --samples 32",
        "outgrow eval smollm2-135m --recipe smollm2-135m-gsm8k --on related,unrelated --data sets",
        "outgrow eval http://localhost:8000/v1 --on gsm8k",
    ),
)
def evaluate(
    model: ModelArg,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            help="Suites of held-out problems, with commas between them: names, the groups related and unrelated, a .jsonl or "
            ".parquet file, or a set on the hub (OWNER/NAME:SPLIT). Left out, the recipe's, or micro.",
        ),
    ] = None,
    recipe: RecipeOption = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=1, help="Samples a problem; left out, the recipe's for its own suite, else 4 to 32 by size."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", min=0.01, help="Left out, the one that the recipe measures at, or 1.")
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens", min=1, help="Longest completion; left out, the recipe's, else 512 or half the model's context."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    data: Annotated[
        Path | None, typer.Option("--data", help="A folder of sets, as gsm8k/test.jsonl; left out, $OUTGROW_DATA, else the hub.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also keep every graded sample: a Parquet file, of several suites a folder.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Draw again what an earlier call has drawn.")] = False,
) -> None:
    """Measure a model: pass@1 with its interval, greedy, pass@k, truncation, and a table by field and level.

    A run is asked, graded and measured as its recipe says, any other model as --recipe says. Answers are kept: a call that was
    stopped goes on where it was, and one that was made before costs nothing.
    """
    from ..config.schema import EvaluateSection
    from ..evaluate import evaluate as measure
    from ..evaluate import require_room
    from ..evaluate.answer_cache import AnswerCache
    from ..policy import Sampling
    from ..policy.pull import cache_folder
    from ..problems.suites import samples_for, suite, suites
    from ..runs.session import verifier_for
    from ..runs.signals import Interrupt, StopRequested

    use_data(data)
    said = recipe_for(model, recipe)
    section = said.evaluate if said else EvaluateSection()
    names = suites(on or section.suite)
    if out is not None:
        _require_place(out, len(names))
    problems = {name: suite(name).load(warn) for name in names}
    respondent = open_model(model, said)
    sampling = (said.sampling if said else Sampling()).model_copy(update={"temperature": temperature or section.temperature})
    sampling = sampling.model_copy(update={"max_tokens": max_tokens or default_max_tokens(said, respondent)})
    for name in names:
        require_room(name, respondent, problems[name], sampling.max_tokens, "--max-tokens")
    verifier = verifier_for(said)
    whole = 2 * sum(map(len, problems.values()))  # drawn, and greedy
    summaries: dict[str, dict[str, Any]] = {}
    with (
        counting("measuring", whole) as progress,
        verifier,
        Interrupt() as interrupt,
        AnswerCache(cache_folder() / "answers.sqlite", fresh, warn, progress) as cache,
    ):
        try:
            for name in names:
                k = samples or (section.samples if name == section.suite else samples_for(len(problems[name])))
                found = measure(cache.wrap(respondent), verifier, problems[name], k, sampling, seed, interrupt.check_stop)
                summaries[name] = found.summary()
                if out is not None:
                    found.save(out if len(names) == 1 else out / f"{name.replace('/', '+')}.parquet")
        except StopRequested as stop:
            again = "the same command" + (" without --fresh" if fresh else "")
            errors.print(f"stopped by {stop}, what is done is kept; {again} goes on with it", markup=False)
            raise typer.Exit(stop.exit_code) from stop
        finally:  # of several suites, those that are done
            if len(names) > 1 and summaries:
                _show_all(f"{model}, temperature {sampling.temperature:g}", summaries)
    if len(names) == 1:
        _show_one(f"{model} on {names[0]}, temperature {sampling.temperature:g}", summaries[names[0]])
    if cache.found:
        warn(f"of {whole:,} questions {cache.found:,} were answered in an earlier call; --fresh asks them again")


@app.command(
    epilog=example("outgrow verify outputs.jsonl --output completion --answer answer --extract boxed --extract last_number")
)
def verify(
    file: Annotated[Path, typer.Argument(help="A JSONL or Parquet file, a row for each output.")],
    output: Annotated[str, typer.Option("--output", metavar="COLUMN", help="The column that holds what a model wrote.")],
    answer: Annotated[str, typer.Option("--answer", metavar="COLUMN", help="The column that holds the known answer.")],
    extract: Annotated[
        list[str] | None,
        typer.Option(
            "--extract",
            metavar="NAME",
            help="boxed (the default), first_boxed, hash, phrase or last_number; more than one in order.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the rows here, with verdict and extracted added.")] = None,
) -> None:
    """Grade outputs made elsewhere, as training and evaluation would."""
    from ..evaluate.grade_file import grade_file
    from ..types import Verdict
    from ..verify import EXTRACTORS

    for name in extract or []:
        if name not in EXTRACTORS:
            raise UsageError(f"--extract: no extractor called {name!r}{nearest(name, list(EXTRACTORS))}")
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    with console.status(f"grading {file}"):
        counts = grade_file(file, output, answer, extract or ["boxed"], out)
    n = counts.total()
    told = "   ".join(f"{verdict} {counts[verdict]} ({counts[verdict] / n:.1%})" for verdict in Verdict)
    console.print(f"n = {n}   {told}", highlight=False, soft_wrap=True)


def _require_place(out: Path, suites: int) -> None:
    """That there is a place for --out: a file of one suite, a folder of several. Raises UsageError where there is none."""
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    if suites == 1 and out.is_dir():
        raise UsageError(f"--out {out} is a folder; the samples of one suite go into a file, as {out}/samples.parquet")
    if suites > 1 and out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file; the samples of several suites go into a folder")
    if suites > 1:
        out.mkdir(exist_ok=True)


def _show_all(title: str, summaries: dict[str, dict[str, Any]]) -> None:
    """Print a line for each suite."""
    from ..runs.folder import pass_at_1

    table = Table(title=title, box=SIMPLE, pad_edge=False)
    for heading in ("suite", "pass@1 (95% interval)", "n × k", "greedy", "cut off", "no answer", "tokens"):
        table.add_column(heading, justify="left" if heading == "suite" else "right", no_wrap=heading in ("suite", "n × k"))
    for name, one in summaries.items():
        shares = (f"{one[part]:.3f}" for part in ("greedy", "truncated", "no_answer"))
        table.add_row(name, pass_at_1(one).text(), f"{one['n']} × {one['k']}", *shares, f"{one['length']:.0f}")
    console.print(table)


def _show_one(title: str, summary: dict[str, Any]) -> None:
    """Print one suite's figures, and pass@1 by field and level."""
    from ..runs.folder import pass_at_1

    console.print(
        f"{title}, n = {summary['n']} problems × {summary['k']} samples\n"
        f"pass@1 {pass_at_1(summary)}   greedy {summary['greedy']:.3f}   "
        + "   ".join(f"pass@{k} {value:.3f}" for k, value in summary["pass@k"].items() if k != "1")
        + f"\ntruncated {summary['truncated']:.3f}   "
        f"no answer {summary['no_answer']:.3f}   mean length {summary['length']:.1f} tokens",
        highlight=False,
    )
    levels = sorted({cell["level"] for cell in summary["cells"]})
    table = Table(title="pass@1 by field and level")
    for heading in ("field", *map(str, levels)):
        table.add_column(heading, justify="left" if heading == "field" else "right")
    cells = {(cell["field"], cell["level"]): cell["pass@1"] for cell in summary["cells"]}
    for field in dict.fromkeys(cell["field"] for cell in summary["cells"]):
        table.add_row(field, *(f"{cells[field, level]:.2f}" if (field, level) in cells else "" for level in levels))
    console.print(table)
