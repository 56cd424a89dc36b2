"""The command `outgrow merge`."""

from pathlib import Path
from typing import Annotated

import typer

from .app import app
from .console import console
from .open_model import load
from .options import Model, example


@app.command(epilog=example("outgrow merge runs/first --out models/first"))
def merge(
    model: Model,
    out: Annotated[Path, typer.Option("--out", help="The folder to write; it must not exist yet.")],
) -> None:
    """Write a model as one ordinary Hugging Face folder: adapters multiplied into the weights, the card beside them."""
    from ..policy.export import export

    export(load(model), out, _card(model))
    console.print(f"{model}: {out}", highlight=False, soft_wrap=True)


def _card(model: str) -> str | None:
    """The card that a finished run left beside its policy."""
    from ..policy.load import model_folder
    from ..runs.checkpoint import model_of

    card = Path(model_folder(model_of(model))) / "README.md"
    return card.read_text(encoding="utf-8") if card.is_file() else None
