"""Commands that look at recipes and runs: recipes, runs, report."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..core.errors import UsageError
from .app import app
from .shared import console, example


@app.command(epilog=example("outgrow recipes"))
def recipes() -> None:
    """List the shipped recipes, with what each should show."""
    from ..config import load_recipe, raw_recipe, shipped_recipes
    from ..flywheel import load_flywheel

    for name in shipped_recipes():
        wheel = raw_recipe(name).get("kind") == "flywheel"
        recipe = load_flywheel(name) if wheel else load_recipe(name)
        command = {"sft": "sft", "rl": "train", "flywheel": "flywheel"}[recipe.kind]
        console.print(f"[bold]outgrow {command} {name}[/]", highlight=False)
        console.print(f"  {recipe.description}\n  Expect: {recipe.expected or 'not measured yet'}", highlight=False, markup=False)


@app.command(epilog=example("outgrow runs", "outgrow runs /data/runs"))
def runs(folder: Annotated[Path, typer.Argument(help="The folder that holds runs.")] = Path("runs")) -> None:
    """List runs: how far each is, and what it gained."""
    from ..core.files import read_lines
    from ..runs.folder import RunFolder, pass_at_1, read_recipe

    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; runs are made by: outgrow train RECIPE")
    table = Table()
    for heading in ("run", "recipe", "seed", "steps", "pass@1 before", "after", "change"):
        table.add_column(heading)
    for path in sorted(entry for entry in folder.iterdir() if RunFolder(entry).is_run()):
        recipe, _ = read_recipe(path)
        files = RunFolder(path)
        metrics = read_lines(files.metrics)
        done = int(metrics[-1]["step"]) if metrics else 0
        figures = ["", "", ""]
        if files.summary.is_file():
            summary = files.read_summary()
            figures = [
                f"{summary['before']['pass@1']:.3f}",
                f"{summary['after']['pass@1']:.3f}",
                pass_at_1(summary["paired_delta"]).text("+.3f"),
            ]
        table.add_row(path.name, recipe.name, str(recipe.seed), f"{done}/{recipe.learn.steps}", *figures)
    console.print(table)


@app.command(epilog=example("outgrow report runs/first"))
def report(run: Annotated[Path, typer.Argument(help="A run's folder.")]) -> None:
    """Write the run's page, report.html: before and after, learning curves, heat maps, problems won and lost."""
    from ..report import write_report

    console.print(f"report: {write_report(run)}", highlight=False, soft_wrap=True)
