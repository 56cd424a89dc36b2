"""The command `outgrow pull`."""

from typing import Annotated

import typer

from .app import MODELS, command
from .console import say


@command(MODELS, "outgrow pull smollm2-135m")
def pull(name: Annotated[str, typer.Argument(metavar="NAME", help="Short name of the model: smollm2-135m.")]) -> None:
    """Download a model once and store it under a short name that recipes and commands take."""
    from ..policy.export import convert
    from ..policy.pull import pull as fetch

    say(f"{name}: {fetch(name, convert, say)}")
