"""The command `outgrow controls`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ..core.errors import UsageError
from ..core.plugins import ANY_KIND
from .app import TRAIN, command
from .compare_sides import of_run, only
from .compare_tables import show
from .console import console
from .interrupt import explain_stop
from .options import Margin, Overrides, RecipeName

if TYPE_CHECKING:
    from ..config import RLRecipe


@command(TRAIN, "outgrow controls micro", "outgrow controls micro --seeds 3 --set learn.steps=50", plugins=ANY_KIND)
def controls(
    recipe: RecipeName,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the runs. Default: runs/RECIPE-controls.")] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="Number of seeds of each recipe, starting at the recipe's own seed.")
    ] = 1,
    overrides: Overrides = None,
    margin: Margin = 2.0,
) -> None:
    """Train the recipe and three controls (random reward, format-only reward, shuffled answers) and compare them.

    Any gain a control shows does not come from correct answers. Run the same command again to continue after a stop.
    """
    from ..config import RLRecipe, load_recipe
    from ..evaluate.compare import Side
    from ..train.controls import controls as controls_of

    read = load_recipe(recipe, overrides or [])
    if not isinstance(read, RLRecipe):
        raise UsageError(f"{recipe} is a recipe of kind {read.kind!r}; controls need a recipe of kind 'rl'")
    if read.name in controls_of(read):
        raise UsageError(f"{read.name} is the name of a control; rename the recipe: --set name=mine")
    folder = out or Path("runs") / f"{read.name}-controls"
    runs: dict[str, list[Path]] = {}
    for seed in range(read.seed, read.seed + seeds):
        seeded = read.model_copy(update={"seed": seed})
        for name, variant in {read.name: seeded, **controls_of(seeded)}.items():
            path = folder / f"{name.replace(' ', '-')}-{seed}"
            runs.setdefault(name, []).append(path)
            _train(variant, path)
    before = Side("before", [only(of_run(path, "before")) for path in runs[read.name]])
    after = [Side(name, [only(of_run(path, "after")) for path in paths]) for name, paths in runs.items()]
    show({"": [before, *after]}, margin / 100)
    show({"": after}, margin / 100)  # what the recipe gained over each control


def _train(recipe: "RLRecipe", path: Path) -> None:
    """Train in this folder, or continue there. Raises UsageError if the folder holds a run of another recipe."""
    from ..config import with_absolute_paths
    from ..core.errors import OutgrowError
    from ..runs.folder import RunFolder, read_recipe
    from ..train.loop import resume, train
    from .progress import Terminal

    if RunFolder(path).is_run() and read_recipe(path)[0] != with_absolute_paths(recipe):
        raise UsageError(f"{path} is a run of another recipe; choose another --out")
    console.print(f"[bold]{escape(str(path))}[/]")
    try:
        with explain_stop(), Terminal(console) as terminal:
            if path.exists():
                resume(path, [], terminal)
            else:
                train(recipe, path, terminal)
    except OutgrowError as error:
        raise type(error)(f"{path}: {error}") from error
