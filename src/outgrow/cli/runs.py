"""The command `outgrow runs`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..core.errors import UsageError
from .app import app
from .console import console
from .options import example
from .tables import interval


@app.command(epilog=example("outgrow runs", "outgrow runs /data/runs"))
def runs(folder: Annotated[Path, typer.Argument(help="The folder that holds runs.")] = Path("runs")) -> None:
    """List runs: how far each is, and what it gained."""
    import json

    from ..core.files import read_lines
    from ..runs.folder import read_recipe

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; runs are made by: outgrow train RECIPE")
    table = Table()
    for heading in ("run", "recipe", "seed", "steps", "pass@1 before", "after", "change"):
        table.add_column(heading)
    for path in sorted(entry for entry in folder.iterdir() if (entry / "recipe.toml").is_file()):
        recipe, _ = read_recipe(path)
        metrics = read_lines(path / "metrics.jsonl")
        done = int(metrics[-1]["step"]) if metrics else 0
        figures = ["", "", ""]
        if (path / "summary.json").is_file():
            summary = json.loads((path / "summary.json").read_text())
            figures = [
                f"{summary['before']['pass@1']:.3f}",
                f"{summary['after']['pass@1']:.3f}",
                interval(summary["paired_delta"], "+"),
            ]
        table.add_row(path.name, recipe.name, str(recipe.seed), f"{done}/{recipe.learn.steps}", *figures)
    console.print(table)
