"""The command `outgrow export`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from .app import MODELS, command
from .console import say, warn
from .merge import card_of, step_of
from .options import Model

_LICENSE = re.compile(r"\A---\n(?:.*\n)*?license:[ \t]*[\"']?([\w.+-]+)(?:.*\n)*?---")


@command(MODELS, "outgrow export runs/first --gguf q8_0", "outgrow export runs/first --gguf f16 --out models/first.gguf")
def export(
    model: Model,
    gguf: Annotated[
        str,
        typer.Option(
            "--gguf",
            metavar="TYPE",
            help="How matrices are stored: q8_0 (8 bits a weight), q4_0 (4 bits, the vocabulary's matrices 8), f16, bf16 or f32.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="The file to write; it must not exist yet. Default: NAME-TYPE.gguf in this folder."
        ),
    ] = None,
) -> None:
    """Write a model as one GGUF file for llama.cpp and what is built on it, adapters merged into the weights.

    Models of the types llama, qwen2 and qwen3 are written, with their tokenizer and chat template.
    """
    from ..core.new_path import require_new
    from ..policy.gguf_file import About, export_gguf, require_gguf_type
    from ..runs.resolve_model import resolve_model
    from ..runs.session import open_policy

    kind = require_gguf_type(gguf)
    name = _own_name(model)
    file = out or Path(f"{name}-{kind}.gguf")
    require_new(file)
    found = resolve_model(model)
    license = _LICENSE.match(card_of(found) or "")
    size = export_gguf(open_policy(model), file, kind, About(name, license and license[1]), warn)
    say(f"{model}{step_of(model, found)}: {file} ({size / 1e6:,.1f} MB)")


def _own_name(model: str) -> str:
    """Return a model's name without the folders it lies in, which mean nothing on another machine."""
    from ..policy.pull import public_name

    return Path(public_name(model)).resolve().name.removesuffix(".gguf")
