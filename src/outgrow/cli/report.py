"""The command `outgrow report`."""

from .app import LOOK, command
from .console import say
from .options import RunFolder


@command(LOOK, "outgrow report runs/first")
def report(run: RunFolder) -> None:
    """Write a run's page, report.html: before and after, learning curves, heat maps, problems won and lost."""
    from ..report import write_report

    say(f"report: {write_report(run)}")
