"""The command `outgrow merge`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .app import MODELS, command
from .console import say
from .options import Model

if TYPE_CHECKING:
    from ..runs.resolve_model import ResolvedModel

_MAX_CARD = 2**24  # bytes


@command(MODELS, "outgrow merge runs/first --out models/first")
def merge(
    model: Model,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The folder to write; it must not exist yet.")],
) -> None:
    """Write a model as an ordinary Hugging Face folder with its card, adapters merged into the weights."""
    from ..policy.export import export
    from ..runs.resolve_model import resolve_model
    from ..runs.session import open_policy

    found = resolve_model(model)
    export(open_policy(model), out, card_of(found))
    say(f"{model}{step_of(model, found)}: {out}")


def step_of(model: str, found: "ResolvedModel") -> str:
    """Return which checkpoint of a run was read, and whether the run goes on; empty for any other model. model: its name."""
    from ..runs.folder import RunFolder

    if found.step is None:
        return ""
    return f", step {found.step:,}" + ("" if RunFolder(Path(model)).summary.exists() else " (the run has not ended)")


def card_of(found: "ResolvedModel") -> str | None:
    """Return the model card next to a model, as a finished run has it; None where there is none.

    Raises OutgrowError where it cannot be read.
    """
    from ..core.errors import OutgrowError, reason
    from ..core.files import read_own

    card = Path(found.location) / "README.md"
    try:
        return read_own(card, _MAX_CARD).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutgrowError(f"{card}: cannot be read ({reason(error)})") from error
