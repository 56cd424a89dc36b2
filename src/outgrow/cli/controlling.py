"""Commands that train a recipe beside others: controls."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ..core.errors import UsageError
from .app import app
from .comparing import Margin, of_run, only, show
from .shared import Overrides, console, errors, example


@app.command(epilog=example("outgrow controls micro", "outgrow controls micro --seeds 3 --set learn.steps=50"))
def controls(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe's name, or a .toml file.")],
    out: Annotated[Path | None, typer.Option("--out", help="A folder for the runs; runs/RECIPE-controls if left out.")] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="So many seeds of each, from the recipe's own on.")] = 1,
    overrides: Overrides = None,
    margin: Margin = 2.0,
) -> None:
    """Train a recipe beside its controls, and compare: a reward by coin, one for the format alone, and shuffled answers.

    What a control gains is not owed to right answers. A call that was stopped goes on where it was.
    """
    from ..config import RLRecipe, load_recipe
    from ..core.errors import OutgrowError
    from ..evaluate.compare import Side
    from ..runs.folder import RunFolder, read_recipe
    from ..runs.signals import StopRequested
    from ..train.controls import controls as controls_of
    from ..train.loop import resume, train
    from .progress import Terminal

    plain = load_recipe(recipe, overrides or [])
    if not isinstance(plain, RLRecipe):
        raise UsageError(f"{recipe} is a recipe of kind {plain.kind!r}; controls are of reinforcement learning")
    if plain.name in controls_of(plain):
        raise UsageError(f"{plain.name} is the name of a control; give the recipe another one: --set name=mine")
    folder = out or Path("runs") / f"{plain.name}-controls"
    runs: dict[str, list[Path]] = {}
    for seed in range(plain.seed, plain.seed + seeds):
        seeded = plain.model_copy(update={"seed": seed})
        for name, one in {plain.name: seeded, **controls_of(seeded)}.items():
            path = folder / f"{name.replace(' ', '-')}-{seed}"
            runs.setdefault(name, []).append(path)
            if RunFolder(path).is_run() and read_recipe(path)[0] != one:
                raise UsageError(f"{path} is a run by another recipe; choose another --out")
            console.print(f"[bold]{escape(str(path))}[/]")
            try:
                with Terminal(console) as terminal:
                    if path.exists():
                        resume(path, [], terminal)
                    else:
                        train(one, path, terminal)
            except StopRequested as stop:
                errors.print(f"stopped by {stop}, everything is saved; the same command goes on with it", markup=False)
                raise typer.Exit(stop.exit_code) from stop
            except OutgrowError as error:
                raise type(error)(f"{path}: {error}") from error
    before = Side("before", [only(of_run(path, "before")) for path in runs[plain.name]])
    after = [Side(name, [only(of_run(path, "after")) for path in paths]) for name, paths in runs.items()]
    show({"": [before, *after]}, margin / 100)
    show({"": after}, margin / 100)  # what the recipe gained over each control
