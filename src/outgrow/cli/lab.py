"""The command `outgrow lab`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError
from .app import app
from .console import console, errors, warn
from .options import example
from .progress import counting

if TYPE_CHECKING:
    pass


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
