"""The command `outgrow drift`."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..core.files import require_writable
from ..core.plugins import TO_ANSWER
from .app import MEASURE, command
from .console import console, warn
from .interrupt import interruptible
from .open_model import is_run
from .options import SUITES_HELP, RunFolder, Seed, SetsFolder, use_data
from .progress import measurements
from .tables import figures_table

if TYPE_CHECKING:
    from ..evaluate.drift import Drift


@command(
    MEASURE,
    "outgrow drift runs/first --on puzzles",
    "outgrow drift runs/first --on related,unrelated --data sets",
    plugins=TO_ANSWER,
)
def drift(
    context: typer.Context,
    run: RunFolder,
    on: Annotated[
        str,
        typer.Option("--on", metavar="SUITES", help=f"Suites to measure, comma-separated: {SUITES_HELP}."),
    ],
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=1, help="Answers sampled for each problem. Default: 4 to 32, fewer for a larger suite."),
    ] = None,
    seed: Seed = 0,
    data: SetsFolder = None,
) -> None:
    """Measure more suites at each checkpoint of a run: pass@1, change since the base, turnover, and KL divergence from the base.

    A run keeps run.keep_checkpoints checkpoints, one every run.checkpoint_every steps. The report shows the curves. Answers are
    stored: the same command continues after a stop.
    """
    from ..evaluate.answer_cache import AnswerCache
    from ..evaluate.checkpoints import drift_of
    from ..evaluate.drift import write_drift
    from ..policy.pull import cache_folder
    from ..problems.suites import suites

    use_data(context, data)
    if is_run(str(run)):
        require_writable(run)
    names, rows = suites(on), []
    with (
        interruptible() as check_stop,
        measurements() as display,
        AnswerCache(cache_folder() / "answers.sqlite", warn=warn) as cache,
    ):
        for row in drift_of(run, names, samples, seed, warn, check_stop, cache.wrap, display.answering):
            rows.append(row)
            warn(f"step {row.step}, {row.suite}: pass@1 {row.pass_at_1:.3f}")
    write_drift(run, rows)
    _show(rows)


def _show(rows: "list[Drift]") -> None:
    table = figures_table(
        *("suite", "step", "n × k", "pass@1", "change (95% interval)", "turned", "KL"),
        title="more suites over the run; changes since the base in points",
        text=["suite"],
        whole=["change (95% interval)"],
    )
    for row in sorted(rows, key=lambda row: row.suite):  # steps stay in order
        change = row.change_estimate.text("+.1f", 100) if row.step else ""
        table.add_row(
            row.suite, str(row.step), f"{row.n} × {row.k}", f"{row.pass_at_1:.3f}", change, f"{row.turnover:.1%}", f"{row.kl:.4f}"
        )
    console.print(table)
