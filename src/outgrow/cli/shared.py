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
Model = Annotated[
    str, typer.Argument(help="A shipped or pulled model, a run, a model's or adapter's folder, a .gguf file, or a hub id.")
]


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
    from ..learn.policies import run_policy
    from ..policy import load_policy

    return run_policy(Path(model)) if is_run(model) else load_policy(model)


def is_run(model: str) -> bool:
    """Whether a model's name is the folder of a run."""
    return (Path(model) / "recipe.toml").is_file()
