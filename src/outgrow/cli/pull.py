"""The command `outgrow pull`."""

from typing import Annotated

import typer

from .app import app
from .console import console
from .options import example


@app.command(epilog=example("outgrow pull smollm2-135m"))
def pull(name: Annotated[str, typer.Argument(help="smollm2-135m")]) -> None:
    """Fetch a model once and keep it, by a short name that recipes and commands take."""
    from ..policy.export import convert
    from ..policy.pull import pull as fetch

    folder = fetch(name, convert, lambda text: console.print(text, highlight=False, soft_wrap=True))
    console.print(f"{name}: {folder}", highlight=False, soft_wrap=True)
