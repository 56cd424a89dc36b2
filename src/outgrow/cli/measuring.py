"""Commands that measure: eval, verify."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..errors import UsageError, nearest
from .app import app
from .shared import Asked, AskedAs, console, example, interval, limit, ready, recipe_for


@app.command(
    "eval",
    epilog=example(
        "outgrow eval micro-base",
        "outgrow eval runs/first --samples 32",
        "outgrow eval smollm2-135m --recipe smollm2-135m-gsm8k",
        "outgrow eval http://localhost:8000/v1 --on gsm8k",
    ),
)
def evaluate(
    model: Asked,
    on: Annotated[str | None, typer.Option("--on", help="A suite of held-out problems; left out, the recipe's, or micro.")] = None,
    recipe: AskedAs = None,
    samples: Annotated[
        int | None, typer.Option("--samples", min=1, help="Samples a problem; left out, the recipe's, or 8.")
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
    out: Annotated[Path | None, typer.Option("--out", help="Also keep every graded sample in this Parquet file.")] = None,
) -> None:
    """Measure a model: pass@1 with its interval, greedy, pass@k, truncation, and a table by field and level.

    A run is asked, graded and measured as its recipe says, any other model as --recipe says.
    """
    from ..evaluate import evaluate as evaluate_respondent
    from ..evaluate import suite
    from ..policy import Sampling
    from ..recipes.schema import EvaluateSection
    from ..verify import Verifier

    said = recipe_for(model, recipe)
    section = said.evaluate if said else EvaluateSection()
    on, samples, temperature = on or section.suite, samples or section.samples, temperature or section.temperature
    suite(on)
    if out is not None and not out.parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} does not exist")
    respondent = ready(model, said)
    sampling = said.sampling if said else Sampling()
    change = {"temperature": temperature, "max_tokens": max_tokens or limit(said, respondent)}
    sampling = sampling.model_copy(update=change)
    verifier = Verifier(said.verify.extract, said.verify.exact) if said else Verifier()
    with console.status(f"{samples} samples and a greedy answer for every problem of {on}"), verifier:
        evaluation = evaluate_respondent(respondent, verifier, on, samples, sampling, seed)
    summary = evaluation.summary()
    if out is not None:
        evaluation.save(out)
    console.print(
        f"{model} on {on}, temperature {temperature:g}, n = {summary['n']} problems × {samples} samples\n"
        f"pass@1 {interval(summary)}   greedy {summary['greedy']:.3f}   "
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
    from ..verify import EXTRACTORS, Verdict
    from ..verify.file import grade_file

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
