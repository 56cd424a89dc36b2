"""Commands that look at what training did beside what it was for: drift."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from .app import app
from .shared import console, errors, example, use_data, warn

if TYPE_CHECKING:
    from ..evaluate.drift import Drift


@app.command(epilog=example("outgrow drift runs/first --on puzzles", "outgrow drift runs/first --on related,unrelated --data sets"))
def drift(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    on: Annotated[str, typer.Option("--on", help="Suites, as `outgrow eval --on` takes them.")],
    samples: Annotated[int | None, typer.Option("--samples", min=1, help="Samples a problem; left out, 4 to 32 by size.")] = None,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    data: Annotated[
        Path | None, typer.Option("--data", help="A folder of sets, as gsm8k/test.jsonl; left out, $OUTGROW_DATA, else the hub.")
    ] = None,
) -> None:
    """Measure other suites over a run's checkpoints: pass@1 at the base and since, turnover, and the divergence from the base.

    As many checkpoints as the run kept (run.keep_checkpoints, run.checkpoint_every). The report shows the curves. Answers are
    kept, so a call that was stopped goes on where it was.
    """
    from ..evaluate.answer_cache import AnswerCache
    from ..evaluate.checkpoints import drift_of
    from ..evaluate.drift import write_drift
    from ..policy.pull import cache_folder
    from ..problems.suites import suites
    from ..runs.signals import Interrupt, StopRequested

    use_data(data)
    names, rows = suites(on), []
    with Interrupt() as interrupt, AnswerCache(cache_folder() / "answers.sqlite", warn=warn) as cache:
        try:
            for row in drift_of(run, names, samples, seed, warn, interrupt.check_stop, cache.wrap):
                rows.append(row)
                console.print(f"step {row.step}, {row.suite}: pass@1 {row.pass_at_1:.3f}", highlight=False)
        except StopRequested as stop:
            errors.print(f"stopped by {stop}, what is done is kept; the same command goes on with it", markup=False)
            raise typer.Exit(stop.exit_code) from stop
    write_drift(run, rows)
    _show(rows)


def _show(rows: "list[Drift]") -> None:
    table = Table(
        title="other suites over the run; changes since the base in points", box=SIMPLE, pad_edge=False, collapse_padding=True
    )
    for heading in ("suite", "step", "n × k", "pass@1", "change (95% interval)", "turned", "KL"):
        table.add_column(heading, justify="left" if heading == "suite" else "right", no_wrap=heading == "change (95% interval)")
    for row in sorted(rows, key=lambda row: row.suite):  # steps stay in order
        change = row.change_estimate.text("+.1f", 100) if row.step else ""
        table.add_row(
            row.suite, str(row.step), f"{row.n} × {row.k}", f"{row.pass_at_1:.3f}", change, f"{row.turnover:.1%}", f"{row.kl:.4f}"
        )
    console.print(table)
