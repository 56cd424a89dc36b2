"""What the commands share: consoles, the shape of their options, and how figures are printed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from ..policy import Policy
    from ..rollout import NativeEngine

console = Console()
errors = Console(stderr=True)

Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe line, as learn.lr=1e-5.")]
Model = Annotated[str, typer.Argument(help="A shipped model (micro-base), a run's folder, a model folder, or a hub id.")]


def example(*lines: str) -> str:
    """The epilog of a command's --help."""
    return "Example: [bold]" + "[/]   [bold]".join(lines) + "[/]"


def interval(row: dict[str, Any], sign: str = "") -> str:
    """pass@1 with its 95% interval."""
    low, high = row["ci95"]
    return f"{row['pass@1']:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def ready(model: str) -> tuple["Policy", "NativeEngine"]:
    """A model by any of its names, and an engine that holds it."""
    from ..rollout import NativeEngine

    policy, engine = load(model), NativeEngine()
    engine.update(policy)
    return policy, engine


def load(model: str) -> "Policy":
    """A model by any of its names; a run's is asked as it was in training."""
    from ..policy import load_policy
    from ..runs.checkpoint import model_of
    from ..runs.folder import read_recipe

    run = Path(model)
    recipe = read_recipe(run)[0] if (run / "recipe.toml").is_file() else None
    if recipe is None:
        return load_policy(model_of(model))
    return load_policy(model_of(model), recipe.prompt, recipe.policy.dtype)
