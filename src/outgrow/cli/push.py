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
    from ..policy.load import model_folder
    from ..policy.push import push as upload
    from ..runs.checkpoint import model_of

    url = upload(Path(model_folder(model_of(model))), to)
    say(f"{model}: {url}")
