"""The command `outgrow merge`."""

from pathlib import Path
from typing import Annotated

import typer

from .app import MODELS, command
from .console import say
from .options import Model

_MAX_CARD = 2**24  # bytes


@command(MODELS, "outgrow merge runs/first --out models/first")
def merge(
    model: Model,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder to write; it must not exist yet.")],
) -> None:
    """Write a model as an ordinary Hugging Face folder with its card, adapters merged into the weights."""
    from ..policy.export import export
    from ..runs.session import open_policy

    export(open_policy(model), out, card_of(model))
    say(f"{model}: {out}")


def card_of(model: str) -> str | None:
    """Return the model card next to a model, as a finished run has it; None where there is none.

    Raises OutgrowError where it cannot be read.
    """
    from ..core.errors import OutgrowError, reason
    from ..core.files import read_own
    from ..runs.resolve_model import resolve_model

    card = Path(resolve_model(model).location) / "README.md"
    try:
        return read_own(card, _MAX_CARD).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutgrowError(f"{card}: cannot be read ({reason(error)})") from error
