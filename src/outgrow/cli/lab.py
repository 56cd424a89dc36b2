"""The command `outgrow lab`."""

from pathlib import Path
from typing import Annotated

import typer

from ..core.errors import UsageError
from ..core.plugins import ANY_KIND
from .app import TRAIN, command
from .console import say, warn
from .interrupt import interruptible
from .progress import counting


@command(TRAIN, "outgrow lab curriculum", "outgrow lab curriculum --page", plugins=ANY_KIND)
def lab(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Name of an experiment in labs/, or a .toml file.")],
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, help="Runs at the same time. Default: one for each CPU core.")
    ] = None,
    docs: Annotated[Path, typer.Option("--docs", metavar="FOLDER", help="Folder of the results and the page.")] = Path("docs/lab"),
    page: Annotated[bool, typer.Option("--page", help="Only write the page, from the results so far.")] = False,
) -> None:
    """Run an experiment: every arm at every seed that has no result yet, then a page that compares them."""
    import os

    from ..experiments import load_experiment, run_experiment, write_page
    from ..experiments.plot import require_matplotlib
    from ..experiments.runner import known_results

    plan = load_experiment(experiment)
    require_matplotlib()
    if page:
        results = known_results(plan, docs)
        if not results:
            raise UsageError(f"No results for {plan.name} in {docs} yet; run without --page first")
    else:
        cores = processes or len(os.sched_getaffinity(0))
        with interruptible() as check_stop, counting(f"{plan.name}, {cores} at a time", len(plan.runs), "runs") as progress:
            results = run_experiment(plan, docs, Path("runs/lab"), cores, progress, warn, check_stop)
    say(f"page: {write_page(plan, results, docs)}")
