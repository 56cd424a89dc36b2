"""The command `outgrow calibration`."""

from typing import Annotated

import typer

from ..core.plugins import TO_ANSWER
from .app import MEASURE, command
from .console import console, warn
from .options import RunFolder, Seed
from .tables import figures_table


@command(MEASURE, "outgrow calibration runs/first", "outgrow calibration runs/first --problems 128", plugins=TO_ANSWER)
def calibration(
    run: RunFolder,
    problems: Annotated[
        int, typer.Option("--problems", min=1, help="Limit of problems in each group of equally old estimates.")
    ] = 64,
    samples: Annotated[int, typer.Option("--samples", min=2, help="New answers sampled for each problem.")] = 64,
    seed: Seed = 0,
) -> None:
    """Compare the ledger's estimates of pass rates with new answers of the policy, by how long ago a problem was visited."""
    from dataclasses import asdict

    from ..core.files import write_json
    from ..evaluate.ledger_calibration import calibrate
    from ..runs.folder import RunFolder as RunFiles

    with console.status(f"{samples} new answers a problem"):
        rows = calibrate(run, problems, samples, seed, warn)
    write_json(RunFiles(run).calibration, [asdict(row) for row in rows])
    table = figures_table(
        *("last visited", "problems", "Brier score", "of the last visit", "of the level", "rank correlation"),
        title=f"estimates against {samples} new answers a problem",
        text=["last visited"],
    )
    for row in rows:
        cells = (row.brier, row.brier_last, row.brier_level, row.rank_correlation)
        table.add_row(row.staleness, str(row.n), *("" if cell is None else f"{cell:.4f}" for cell in cells))
    console.print(table)
