"""Commands for model files: pull, merge, push."""

from pathlib import Path
from typing import Annotated

import typer

from .app import app
from .shared import Model, console, example


@app.command(epilog=example("outgrow pull smollm2-135m"))
def pull(name: Annotated[str, typer.Argument(help="smollm2-135m")]) -> None:
    """Fetch a model once and keep it, by a short name that recipes and commands take."""
    from ..policy.export import convert
    from ..policy.pull import pull as fetch

    folder = fetch(name, convert, lambda text: console.print(text, highlight=False, soft_wrap=True))
    console.print(f"{name}: {folder}", highlight=False, soft_wrap=True)


@app.command(epilog=example("outgrow merge runs/first --out models/first"))
def merge(
    model: Model,
    out: Annotated[Path, typer.Option("--out", help="The folder to write; it must not exist yet.")],
) -> None:
    """Write a model as one ordinary Hugging Face folder: adapters multiplied into the weights, the card beside them."""
    from ..policy.export import export
    from ..runs.session import open_policy

    export(open_policy(model), out, _card(model))
    console.print(f"{model}: {out}", highlight=False, soft_wrap=True)


@app.command(epilog=example("outgrow push runs/first --to me/first"))
def push(
    model: Model,
    to: Annotated[
        str, typer.Option("--to", metavar="USER/NAME", help="The repository on the hub; made (private) where there is none.")
    ],
) -> None:
    """Upload a run's model to the hub as it is (an adapter as an adapter), with its card."""
    from ..policy.push import push as upload
    from ..runs.resolve_model import resolve_model

    url = upload(Path(resolve_model(model).location), to)
    console.print(f"{model}: {url}", highlight=False, soft_wrap=True)


def _card(model: str) -> str | None:
    """The card that a finished run left beside its policy."""
    from ..runs.resolve_model import resolve_model

    card = Path(resolve_model(model).location) / "README.md"
    return card.read_text(encoding="utf-8") if card.is_file() else None
