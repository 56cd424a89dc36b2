"""The command `outgrow report`."""

from pathlib import Path
from typing import Annotated

import typer

from .app import app
from .console import console
from .options import example


@app.command(epilog=example("outgrow report runs/first"))
def report(run: Annotated[Path, typer.Argument(help="A run's folder.")]) -> None:
    """Write the run's page, report.html: before and after, learning curves, heat maps, problems won and lost."""
    from ..report import write_report

    console.print(f"report: {write_report(run)}", highlight=False, soft_wrap=True)
