"""The command `outgrow push`."""

from pathlib import Path
from typing import Annotated

import typer

from .app import MODELS, command
from .console import say
from .options import Model


@command(MODELS, "outgrow push runs/first --to me/first")
def push(
    model: Model,
    to: Annotated[
        str, typer.Option("--to", metavar="USER/NAME", help="Repository on the hub; created as a private one if it does not exist.")
    ],
) -> None:
    """Upload a run's model to the hub with its card; an adapter stays an adapter."""
    from ..policy.push import push as upload
    from ..runs.resolve_model import resolve_model

    url = upload(Path(resolve_model(model).location), to)
    say(f"{model}: {url}")
