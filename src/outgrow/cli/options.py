"""Arguments and options that commands share, and the example under a command's help."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import UsageError

if TYPE_CHECKING:
    pass


if TYPE_CHECKING:
    pass


from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe line, as learn.lr=1e-5.")]


Model = Annotated[
    str, typer.Argument(help="A shipped or pulled model, a run, a model's or adapter's folder, a .gguf file, or a hub id.")
]


ModelArg = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A shipped or pulled model, a run, a model's or adapter's folder, a .gguf file, a hub id, or the address of an "
        "OpenAI-compatible server (http://localhost:8000/v1, with #NAME where it serves several models; its key, if it wants "
        "one, from OPENAI_API_KEY).",
    ),
]


RecipeOption = Annotated[
    str | None,
    typer.Option("--recipe", help="Ask as this recipe does: its prompt, its limits, its extractors. A run has its own."),
]


MaxTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", min=1, help="Longest answer; left out, the recipe's, else 512 or half the model's context."),
]


BudgetUSD = Annotated[
    float | None,
    typer.Option(
        "--budget-usd", min=0.0, help="Stop, saved, once the run has cost this many dollars (needs run.dollars_per_hour)."
    ),
]


BudgetHours = Annotated[
    float | None, typer.Option("--budget-hours", min=0.0, help="Stop, saved, once the run has taken this many hours.")
]


Margin = Annotated[float, typer.Option("--margin", min=0.01, help="The change that would matter, in points of pass@1.")]


def example(*lines: str) -> str:
    """The epilog of a command's --help."""
    return "Example: [bold]" + "[/]   [bold]".join(lines) + "[/]"


def use_data(folder: Path | None) -> None:
    """Look for sets in this folder; None leaves $OUTGROW_DATA as it is. Raises UsageError where there is no such folder."""
    if folder is None:
        return
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: there is no such folder")
    os.environ["OUTGROW_DATA"] = str(folder)
