"""Commands about what to practise: passrate, calibration."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ..core.errors import UsageError
from .app import app
from .progress import counting
from .shared import ModelArg, RecipeOption, console, default_max_tokens, errors, example, open_model, recipe_for, warn

if TYPE_CHECKING:
    from ..evaluate.pass_rates import PassRate


@app.command(
    epilog=example(
        "outgrow passrate micro-base micro",
        "outgrow passrate micro-base micro --update",
        "outgrow passrate smollm2-135m problems.jsonl --recipe smollm2-135m-gsm8k",
    )
)
def passrate(
    model: ModelArg,
    data: Annotated[
        str, typer.Argument(help="A recipe (its training problems), or a .jsonl or .parquet file with columns question and answer.")
    ],
    recipe: RecipeOption = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="Samples a problem.")] = 10,
    temperature: Annotated[float, typer.Option("--temperature", min=0.01)] = 0.6,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=1, help="Longest completion; left out, as outgrow eval has it.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="The profile's folder; profiles/DATA if left out.")] = None,
    update: Annotated[bool, typer.Option("--update", help="Add a pass of samples to a whole profile.")] = False,
) -> None:
    """Measure every problem's pass rate before training: a histogram, a table (Parquet), a ledger. Run again to go on after a stop.

    A recipe starts from it with --set ledger.profile=profiles/….
    """
    from ..engines import LocalModel
    from ..evaluate.pass_rates import ProfileSpec, fill, open_profile
    from ..policy import Sampling
    from ..runs.practice_problems import problems_of
    from ..runs.session import verifier_for
    from ..runs.signals import Interrupt, StopRequested

    name = Path(data).stem
    said = recipe_for(model, recipe)
    problems, as_recipe = problems_of(data, warn)
    said = said or as_recipe
    respondent = open_model(model, said)
    sampling = (said.sampling if said else Sampling()).model_copy(
        update={"temperature": temperature, "max_tokens": max_tokens or default_max_tokens(said, respondent)}
    )
    digest = respondent.policy.digest() if isinstance(respondent, LocalModel) else model
    folder = out or Path("profiles") / name
    how = "as it is" if said is None else f"{said.prompt.model_dump_json()} {said.verify.model_dump_json()}"
    settings = ProfileSpec(model, digest, data, len(problems), samples, temperature, sampling.max_tokens, seed, how)
    settings = open_profile(folder, settings, update)
    verifier = verifier_for(said)
    with counting(f"{settings.samples} samples a problem", len(problems)) as progress, verifier, Interrupt() as interrupt:
        try:
            table = fill(folder, settings, respondent, verifier, sampling, problems, interrupt.check_stop, progress)
        except StopRequested as stop:
            errors.print(f"stopped by {stop}, what is done is saved; the same command goes on with it", markup=False)
            raise typer.Exit(stop.exit_code) from stop
    _show(table)
    console.print(f"{folder / 'pass_rates.parquet'}", highlight=False, soft_wrap=True)


def _show(table: "list[PassRate]") -> None:
    """A histogram of pass rates, and how many problems are easy, medium and hard."""
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
        f"n = {n:,} problems × {table[0].n} samples   mean {sum(row.pass_rate for row in table) / n:.3f}   "
        f"easy {bands[0] / n:.1%}   medium {bands[1] / n:.1%}   hard {bands[2] / n:.1%}   "
        f"truncated {sum(row.truncated for row in table) / n:.1%}",
        highlight=False,
    )


@app.command(epilog=example("outgrow calibration runs/first", "outgrow calibration runs/first --problems 128"))
def calibration(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    problems: Annotated[int, typer.Option("--problems", min=1, help="Problems of each staleness, at most.")] = 64,
    samples: Annotated[int, typer.Option("--samples", min=2, help="Fresh samples a problem.")] = 64,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Compare the ledger's estimates of pass rates with fresh samples of the policy, by how long ago a problem was visited."""
    from dataclasses import asdict

    from ..core.files import write_json
    from ..evaluate.ledger_calibration import calibrate
    from ..runs.folder import RunFolder

    with console.status(f"{samples} fresh samples a problem"):
        rows = calibrate(run, problems, samples, seed, warn)
    write_json(RunFolder(run).calibration, [asdict(row) for row in rows])
    table = Table(title=f"estimates against {samples} fresh samples a problem")
    for heading in ("last visited", "problems", "Brier score", "of the last visit", "of the level", "rank correlation"):
        table.add_column(heading, justify="left" if heading == "last visited" else "right")
    for row in rows:
        cells = (row.brier, row.brier_last, row.brier_level, row.rank_correlation)
        table.add_row(row.staleness, str(row.n), *("" if cell is None else f"{cell:.4f}" for cell in cells))
    console.print(table)


@app.command(epilog=example("outgrow lab curriculum", "outgrow lab curriculum --page"))
def lab(
    experiment: Annotated[str, typer.Argument(help="An experiment of labs/, or a .toml file.")],
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Runs at a time; left out, one a core.")] = None,
    docs: Annotated[Path, typer.Option("--docs", help="Where results and page are.")] = Path("docs/lab"),
    page: Annotated[bool, typer.Option("--page", help="Run nothing; write the page from what there is.")] = False,
) -> None:
    """Run an experiment's arms at its seeds, as far as they are not known yet, and write its page."""
    import os

    from ..experiments import load_experiment, run_experiment, write_page
    from ..experiments.plot import require_matplotlib
    from ..experiments.runner import known_results
    from ..runs.signals import Interrupt, StopRequested

    asked = load_experiment(experiment)
    require_matplotlib()
    if page:
        results = known_results(asked, docs)
        if not results:
            raise UsageError(f"{docs} holds no results of {asked.name} yet; leave --page out, and it is run")
    else:
        cores = processes or len(os.sched_getaffinity(0))
        with counting(f"{asked.name}, {cores} at a time", len(asked.runs)) as progress, Interrupt() as interrupt:
            try:
                results = run_experiment(asked, docs, Path("runs/lab"), cores, progress, warn, interrupt.check_stop)
            except StopRequested as stop:
                errors.print(f"stopped by {stop}, what is done is kept; the same command goes on with it", markup=False)
                raise typer.Exit(stop.exit_code) from stop
    console.print(f"page: {write_page(asked, results, docs)}", highlight=False, soft_wrap=True)
