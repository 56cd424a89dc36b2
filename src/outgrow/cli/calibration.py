"""The command `outgrow calibration`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from .app import app
from .console import console, warn
from .options import example

if TYPE_CHECKING:
    pass


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

    with console.status(f"{samples} fresh samples a problem"):
        rows = calibrate(run, problems, samples, seed, warn)
    write_json(run / "evals" / "calibration.json", [asdict(row) for row in rows])
    table = Table(title=f"estimates against {samples} fresh samples a problem")
    for heading in ("last visited", "problems", "Brier score", "of the last visit", "of the level", "rank correlation"):
        table.add_column(heading, justify="left" if heading == "last visited" else "right")
    for row in rows:
        cells = (row.brier, row.brier_last, row.brier_level, row.rank_correlation)
        table.add_row(row.staleness, str(row.n), *("" if cell is None else f"{cell:.4f}" for cell in cells))
    console.print(table)
