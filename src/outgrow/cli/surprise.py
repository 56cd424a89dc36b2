"""The command `outgrow surprise`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from ..core.counted import counted
from ..core.errors import OutgrowError, UsageError, reason
from ..core.files import read_plain
from ..core.new_path import require_folders_above
from .app import LOOK, command
from .console import console, say, strip_control_chars, warn
from .options import Model
from .tables import figures_table

if TYPE_CHECKING:
    from ..evaluate.surprise import Surprise
    from ..report.tables import Table

_MOST_BYTES = 2**24
_HEAT = ("", "black on #fff0c2", "black on #ffd98a", "black on #ffb45c", "black on #f98b45", "black on #ea5f3a")
"""Styles from no colour to full colour, which are read on dark and on light terminals."""


@command(
    LOOK,
    'outgrow surprise runs/memory "czac.gi=88;wyv.ctnff.te.gi=88;jep."',
    'outgrow surprise runs/memory "czac.gi=88;wyv.ctnff.te.gi=?" --chat --answer "gi=" --html surprise.html',
)
def surprise(
    model: Model,
    text: Annotated[
        str | None,
        typer.Argument(metavar="TEXT", help="The text to read, or - for standard input. Default: the text of --file."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="PATH", help="Read the text of this file (UTF-8). Default: the argument TEXT."),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(
            "--question",
            metavar="TEXT",
            help="Read this directly after the text, and show on which tokens' writing the next token rests. Default: no question.",
        ),
    ] = None,
    chat: Annotated[
        bool,
        typer.Option("--chat", help="Put text and question in the model's chat template, as training does. Default: neither."),
    ] = False,
    answer: Annotated[
        str | None,
        typer.Option(
            "--answer",
            metavar="TEXT",
            help="How the answer begins, behind question and template. It is read, and the next token is the one after it. "
            "Default: nothing of it.",
        ),
    ] = None,
    layer: Annotated[
        int | None, typer.Option("--layer", min=0, help="Show the memory of this layer, from 0 on. Default: all layers together.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="PAGE.html", help="Write a page, which must not exist yet. Default: the terminal only."),
    ] = None,
) -> None:
    """Show how much each token of a text surprises a model's memory, next to its plain loss.

    Surprise is that by which the memory is written: the length of the gradient (titans), or of the difference between what a token
    writes and what the memory answers (delta, gated_delta). It is the mean over heads. Loss is −log p of a token after those before
    it.

    With --question or --answer, it shows which tokens the answer rests on: how much log p of the next token loses where the memory
    does not write them. The definition is in docs/guides/memory.md. A line break at the end of a file or of standard input does not
    count.
    """
    source = _text(text, file)
    if html is not None:
        _require_page(html)
    from ..evaluate.surprise import lost_without, require_surprise, surprise_of
    from ..evaluate.surprise_row import row_of
    from ..policy.unknown_characters import unknown_characters, unread_line
    from ..report.surprise import strongest_effects, write_page
    from ..runs.session import open_policy

    policy = open_policy(model)
    rule = require_surprise(policy, model)
    layers = int(policy.model.config.num_hidden_layers)
    if layer is not None and layer >= layers:
        raise UsageError(f"--layer {layer}: this model has the layers 0 to {layers - 1}")
    row = row_of(policy, source, question or "", chat, answer or "")
    if len(row.ids) > policy.context:
        warn(
            f"these are {len(row.ids):,} tokens, and the model was trained on {policy.context:,} at most: what it makes of those "
            "after them was never trained"
        )
    if unknown := unknown_characters(policy.tokenizer, f"{source}{question or ''}{answer or ''}"):
        warn(unread_line(unknown))
    found = surprise_of(policy, row, rule, question is not None or answer is not None)
    lost = []
    if found.answered:
        lost = lost_without(policy, row, found.answered.token, strongest_effects(found.answered, found, layer))
    _show(found, layer, lost)
    if html is not None:
        write_page(found, layer, lost, model, html)
        say(f"{html}: the page")


def _text(text: str | None, file: Path | None) -> str:
    """Return the text to read. Raises UsageError where none or two are given, OutgrowError where one cannot be read."""
    if (text is None) == (file is None):
        raise UsageError("give the text, or --file PATH, or - for standard input" + (", not two of them" if file else ""))
    if text is not None and text != "-":
        return text
    try:
        content = sys.stdin.buffer.read(_MOST_BYTES + 1) if file is None else read_plain(file, _MOST_BYTES)
    except OSError as error:
        raise OutgrowError(f"{file or 'standard input'}: cannot be read ({reason(error)})") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"standard input is larger than {_MOST_BYTES:,} bytes; read a part of it")
    try:
        return content.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file or 'standard input'} is not UTF-8; convert it first") from error


def _require_page(path: Path) -> None:
    """Raise UsageError where the page exists already, or its folder does not."""
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} already exists; choose another --html")
    require_folders_above(path)
    if not path.parent.is_dir():
        raise UsageError(f"--html {path}: its folder does not exist; make it first")


def _show(found: "Surprise", layer: int | None, lost: list[float]) -> None:
    from ..report.surprise import answer_words, correlation_words, effect_words, effects_caption, effects_table, most_surprising

    what = f"layer {layer}" if layer is not None else counted(len(found.surprise_LHT), "layer")
    say(f"Memory by the rule {found.rule}; surprise is the mean over {counted(found.surprise_LHT.shape[1], 'head')} of {what}.")
    if console.is_terminal and not console.no_color:
        _heat(found, layer)
    _print("the most surprising tokens", most_surprising(found, layer))
    say(correlation_words(found, layer))
    if found.answered:
        say(answer_words(found.answered))
        say(effect_words(found.answered))
        _print(f"what the question reads{effects_caption(found)}", effects_table(found.answered, found, layer, lost))


def _heat(found: "Surprise", layer: int | None) -> None:
    """Print the text, coloured by surprise, and what the colours mean."""
    from ..report.heat_scale import spread

    values, shown = found.surprise(layer), found.row.shown
    scale = spread([values[at] for at in shown])
    steps = len(_HEAT) - 1
    text = Text()
    for piece, at in zip(found.row.pieces, shown, strict=True):
        text.append(strip_control_chars(piece), _HEAT[round(steps * scale.strength(values[at]) / 100)])
    console.print(text, highlight=False, soft_wrap=True)
    legend = Text("surprise")
    for step, style in enumerate(_HEAT):
        legend.append(" ").append(f" {scale.low + step / steps * (scale.high - scale.low):.3g} ", style)
    console.print(legend.append(" (5th to 95th percentile)"), highlight=False)


def _print(title: str, rows: "Table") -> None:
    if not rows.rows:
        return
    table = figures_table(*rows.columns, title=title, text=rows.columns[:1])
    for row in rows.rows:
        table.add_row(*(Text(strip_control_chars(cell)) for cell in row))
    console.print(table)
