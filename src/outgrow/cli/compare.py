"""The command `outgrow compare`."""

from typing import TYPE_CHECKING, Annotated

import typer

from .app import app
from .compare_sides import by_suite
from .compare_tables import show
from .options import Margin, example

if TYPE_CHECKING:
    pass


@app.command(
    epilog=example(
        "outgrow compare runs/first",
        "outgrow compare uniform=runs/u0,runs/u1,runs/u2 frontier=runs/f0,runs/f1,runs/f2",
        "outgrow compare before.parquet after.parquet --margin 1",
    )
)
def compare(
    sides: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH[,PATH...]...",
            help="What to compare with the first: runs, Parquet files or folders of `outgrow eval --out`; seeds of the same "
            "with commas between them. Runs alone, on one side, are compared with themselves before training.",
        ),
    ],
    margin: Margin = 2.0,
) -> None:
    """Set policies side by side: paired change of pass@1 with its interval, problems won and lost, and what it does not show.

    The interval speaks of other problems and, with several seeds, of other seeds. No correction is made for the number of sides.
    """

    show(by_suite(sides), margin / 100)
