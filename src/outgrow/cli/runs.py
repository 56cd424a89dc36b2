"""The command `outgrow runs`."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from ..core.errors import DAMAGED, OutgrowError, UsageError, reason
from .app import LOOK, command
from .console import console, say, strip_control_chars, warn
from .options import Runs


@command(LOOK, "outgrow runs", "outgrow runs /data/runs")
def runs(folder: Runs = Path("runs")) -> None:
    """List runs: the recipe, the steps done, the gain of each, and how its last session ended."""
    from ..runs.folder import RunFolder
    from ..runs.sessions import read_sessions

    if not folder.is_dir():
        raise UsageError(f"{folder}: this folder does not exist; train a run with: outgrow train RECIPE")
    table = Table()
    for heading in ("run", "recipe", "seed", "steps", "pass@1 before", "after", "change"):
        table.add_column(heading)
    unreadable, unfinished = [], []
    for path in sorted(entry for entry in folder.iterdir() if RunFolder(entry).is_run()):
        name = _text(path.name)
        try:
            cells = _cells(path)
            sessions = read_sessions(path)
        except OutgrowError as error:
            table.add_row(name, "cannot be read")
            unreadable.append(str(error))
            continue
        except (OSError, *DAMAGED) as error:  # one run must not hide the others
            table.add_row(name, "cannot be read")
            unreadable.append(f"{path}: one of its files is damaged ({type(error).__name__}: {reason(error)})")
            continue
        table.add_row(name, *map(_text, cells))
        if sessions and not RunFolder(path).summary.is_file():
            unfinished.append(f"{path}: {sessions[-1].state()}; continue with: {sessions[-1].next_command(str(path))}")
    console.print(table)
    for line in unfinished:
        say(line)
    for line in unreadable:
        warn(line)


def _cells(path: Path) -> list[str]:
    """Return what the list shows of a run, behind its name. Raises OutgrowError, or one of DAMAGED, where it cannot be read."""
    from ..core.figure_lines import last_figures
    from ..runs.folder import RunFolder, pass_at_1, read_recipe

    recipe, _ = read_recipe(path)
    files = RunFolder(path)
    last = last_figures(files.metrics)
    cells = [recipe.name, str(recipe.seed), f"{int(last['step']) if last else 0}/{recipe.learn.steps}"]
    if not files.summary.exists():
        return cells
    try:
        summary = files.read_summary()
        change = pass_at_1(summary["paired_delta"]).text("+.3f")
        return [
            *cells,
            f"{summary['before']['pass@1']:.3f}",
            f"{summary['after']['pass@1']:.3f}",
            change + (" WORSE" if summary.get("worse") else ""),
        ]
    except (OSError, *DAMAGED) as error:
        raise OutgrowError(f"{files.summary}: cannot be read ({type(error).__name__}: {reason(error)})") from error


def _text(cell: str) -> Text:
    """Return a cell as it is: names of a stranger's run are no markup, and a terminal obeys nothing in them."""
    return Text(strip_control_chars(cell))
