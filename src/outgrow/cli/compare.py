"""The command `outgrow compare`."""

from typing import Annotated

import typer

from .app import MEASURE, command
from .compare_sides import by_suite
from .compare_tables import show
from .options import Margin


@command(
    MEASURE,
    "outgrow compare runs/first",
    "outgrow compare uniform=runs/u0,runs/u1,runs/u2 frontier=runs/f0,runs/f1,runs/f2",
    "outgrow compare before.parquet after.parquet --margin 1",
)
def compare(
    sides: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH[,PATH...]...",
            help="The baseline first, then what to compare with it: runs, or what `outgrow eval --out` wrote. Join seeds of one "
            "setting with commas. A single run is compared with its own start.",
        ),
    ],
    margin: Margin = 2.0,
) -> None:
    """Compare policies on the same problems: paired change of pass@1 with its interval, problems won and lost, and a verdict.

    The interval covers the choice of problems and, with several seeds, the choice of seeds. It is not corrected for the number of
    comparisons.
    """
    show(by_suite(sides), margin / 100)
