"""What the commands share: consoles, the shape of their options, and how figures are printed."""

import os
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ..core.errors import UsageError

if TYPE_CHECKING:
    from ..config import Recipe
    from ..engines import ChatModel

console = Console()
errors = Console(stderr=True)

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


def example(*lines: str) -> str:
    """The epilog of a command's --help."""
    return "Example: [bold]" + "[/]   [bold]".join(lines) + "[/]"


def open_model(model: str, recipe: "Recipe | None" = None) -> "ChatModel":
    """A model by any of its names, or the one at an address, ready to be asked as a recipe says."""
    from ..runs.session import open_chat_model

    return open_chat_model(model, recipe, warn)


def strip_control_chars(text: str) -> str:
    """A model's text without what a terminal would obey."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")


def warn(text: str) -> None:
    """Something a person should read."""
    errors.print(text, markup=False)


def use_data(folder: Path | None) -> None:
    """Look for sets in this folder; None leaves $OUTGROW_DATA as it is. Raises UsageError where there is no such folder."""
    if folder is None:
        return
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: there is no such folder")
    os.environ["OUTGROW_DATA"] = str(folder)


def default_max_tokens(recipe: "Recipe | None", respondent: "ChatModel") -> int:
    """The longest answer, in tokens, where none was said."""
    return recipe.sampling.max_tokens if recipe else min(512, respondent.context // 2)


def recipe_for(model: str, recipe: str | None) -> "Recipe | None":
    """The recipe that says how a model is asked and graded: a run's own, or the one named. Raises UsageError on both at once."""
    from ..config import load_recipe
    from ..runs.folder import read_recipe

    if not is_run(model):
        return load_recipe(recipe) if recipe else None
    if recipe:
        raise UsageError(f"{model} is a run and is asked as its own recipe says; leave --recipe out")
    return read_recipe(Path(model))[0]


def is_run(model: str) -> bool:
    """Whether a model's name is the folder of a run."""
    from ..runs.folder import RunFolder

    return RunFolder(Path(model)).is_run()
