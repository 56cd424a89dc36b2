"""The command `outgrow push`."""

from pathlib import Path
from typing import Annotated

import typer

from .app import app
from .console import console
from .options import Model, example


@app.command(epilog=example("outgrow push runs/first --to me/first"))
def push(
    model: Model,
    to: Annotated[
        str, typer.Option("--to", metavar="USER/NAME", help="The repository on the hub; made (private) where there is none.")
    ],
) -> None:
    """Upload a run's model to the hub as it is (an adapter as an adapter), with its card."""
    from ..policy.load import model_folder
    from ..policy.push import push as upload
    from ..runs.checkpoint import model_of

    url = upload(Path(model_folder(model_of(model))), to)
    console.print(f"{model}: {url}", highlight=False, soft_wrap=True)
