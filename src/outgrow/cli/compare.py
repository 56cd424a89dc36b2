"""The command `outgrow compare`."""

from typing import Annotated

import typer

from ..core.errors import UsageError, nearest
from .app import MEASURE, command
from .compare_sides import by_suite
from .compare_tables import show
from .console import warn
from .options import Margin, separated


@command(
    MEASURE,
    "outgrow compare runs/first",
    "outgrow compare uniform=runs/u0,runs/u1,runs/u2 frontier=runs/f0,runs/f1,runs/f2",
    "outgrow compare before.parquet after.parquet --margin 1",
    "outgrow compare warm.parquet cold.parquet --across evaluate.temperature",
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
    across: Annotated[
        str,
        typer.Option(
            "--across",
            metavar="KEYS",
            help="Settings that may differ since they are what you compare, comma-separated, for example "
            "evaluate.temperature,prompt.system. Default: none.",
        ),
    ] = "",
) -> None:
    """Compare policies on the same problems: paired change of pass@1 with its interval, problems won and lost, and a verdict.

    The interval covers the choice of problems and, with several seeds, the choice of seeds. It is not corrected for the number of
    comparisons. Sides that were measured with different settings, such as another temperature or prompt, are shown next to each
    other and not subtracted; --across names the settings whose effect is what you ask for. A side that cannot be read is named with
    its reason, the others are compared, and the exit code is not 0.
    """
    suites, unread = by_suite(sides)
    show(suites, margin / 100, _keys(across))
    for error in unread:
        warn(f"not compared, since it cannot be read: {error}")
    if unread:
        raise typer.Exit(unread[0].exit_code)


def _keys(across: str) -> set[str]:
    """Return the keys that --across names. Raises UsageError with the nearest where no measurement has such a setting."""
    from ..evaluate.conditions import conditions
    from ..policy import Sampling

    known = list(conditions(None, Sampling(), 1).settings())
    keys = set(separated([across]))
    for key in sorted(keys):
        if key not in known:
            raise UsageError(f"--across {key}: not a setting of a measurement{nearest(key, known)}")
    return keys
