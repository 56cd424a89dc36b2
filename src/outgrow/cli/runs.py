"""The command `outgrow runs`."""

from pathlib import Path

from rich.table import Table

from ..core.errors import OutgrowError, UsageError
from .app import LOOK, command
from .console import console, say, strip_control_chars, warn
from .options import Runs


@command(LOOK, "outgrow runs", "outgrow runs /data/runs")
def runs(folder: Runs = Path("runs")) -> None:
    """List runs: the recipe, the steps done, the gain of each, and how its last session ended."""
    from ..core.files import last_row
    from ..runs.folder import RunFolder, pass_at_1, read_recipe
    from ..runs.sessions import read_sessions

    if not folder.is_dir():
        raise UsageError(f"{folder}: this folder does not exist; train a run with: outgrow train RECIPE")
    table = Table()
    for heading in ("run", "recipe", "seed", "steps", "pass@1 before", "after", "change"):
        table.add_column(heading)
    unreadable, unfinished = [], []
    for path in sorted(entry for entry in folder.iterdir() if RunFolder(entry).is_run()):
        try:
            recipe, _ = read_recipe(path)
            sessions = read_sessions(path)
        except OutgrowError as error:
            table.add_row(path.name, "cannot be read")
            unreadable.append(str(error))
            continue
        files = RunFolder(path)
        last = last_row(files.metrics)
        done = int(last["step"]) if last else 0
        figures = ["", "", ""]
        if files.summary.is_file():
            summary = files.read_summary()
            figures = [
                f"{summary['before']['pass@1']:.3f}",
                f"{summary['after']['pass@1']:.3f}",
                pass_at_1(summary["paired_delta"]).text("+.3f") + (" WORSE" if summary.get("worse") else ""),
            ]
        table.add_row(path.name, recipe.name, str(recipe.seed), f"{done}/{recipe.learn.steps}", *figures)
        if sessions and not files.summary.is_file():
            unfinished.append(f"{path}: {sessions[-1].state()}; continue with: {sessions[-1].next_command(str(path))}")
    console.print(table)
    for line in unfinished:
        say(strip_control_chars(line))
    for line in unreadable:
        warn(line)
