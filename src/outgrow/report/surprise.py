"""The tables and sentences of `outgrow surprise`, and its page: one file that needs no network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import exp
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..core.counted import counted
from ..core.errors import OutgrowError
from ..core.files import write_atomic
from ..evaluate.surprise import Answered, Surprise
from .heat_scale import Scale, around_zero, spread
from .page import hash_source, page_template, token_style
from .tables import Table

TOP = 10
"""Tokens in a table."""


@dataclass(frozen=True)
class _Option:
    """What the page shows for a choice of layer and head."""

    values: list[float]
    low: float
    high: float
    said: str
    """The sentence under the heat."""

    def as_json(self) -> dict[str, Any]:
        return {"values": [_short(value) for value in self.values], "low": self.low, "high": self.high, "said": self.said}


def most_surprising(surprise: Surprise, layer: int | None) -> Table:
    """Return the most surprising tokens with their surprise, loss and position, the number of tokens before them."""
    values = surprise.surprise(layer)
    top = sorted(surprise.row.shown, key=lambda place: -values[place])[:TOP]
    rows = [[piece_at(surprise, at), f"{values[at]:.3g}", _loss(surprise.losses[at]), f"{at:,}"] for at in top]
    return Table(["token", "surprise", "loss (nats)", "position"], rows)


def strongest_effects(answered: Answered, surprise: Surprise, layer: int | None) -> list[int]:
    """Return the places of the tokens on which the answer rests most, or which work against it most."""
    effects = answered.effects(layer)
    return sorted((at for at in surprise.row.shown if effects[at]), key=lambda place: -abs(effects[place]))[:TOP]


def effects_table(answered: Answered, surprise: Surprise, layer: int | None, lost: Sequence[float]) -> Table:
    """Return the tokens of `strongest_effects`. lost: of each, what `lost_without` says."""
    effects = answered.effects(layer)
    rows = [
        [piece_at(surprise, at), f"{effects[at]:+.3g}", f"{without:+.3g}", f"{at:,}"]
        for at, without in zip(strongest_effects(answered, surprise, layer), lost, strict=True)
    ]
    return Table(["token", "effect (nats)", "lost without it (nats)", "position"], rows)


def effects_caption(surprise: Surprise) -> str:
    """Return which tokens the table leaves out; empty where the row has no others than those of text and question."""
    if len(surprise.row.ids) == len(surprise.row.shown):
        return ""
    return " among the tokens of text and question; those of the template and of the answer are not listed"


def piece_at(surprise: Surprise, place: int) -> str:
    """Return a token's characters in quotes, as JSON writes them, so that blanks and line breaks are seen."""
    return json.dumps(surprise.row.pieces[place - surprise.row.first], ensure_ascii=False)


def shown_pieces(surprise: Surprise) -> list[str]:
    """Return the characters of each token of text and question as a page shows them: with line breaks, and none empty."""
    return [piece.replace("\n", "↵\n") or "·" for piece in surprise.row.pieces]


def correlation_words(surprise: Surprise, layer: int | None) -> str:
    """Return the sentence on surprise and loss."""
    return _correlation(*surprise.correlation(layer))


def answer_words(answered: Answered) -> str:
    """Return the sentence on what the model would write next."""
    return (
        f"The likeliest next token is {json.dumps(answered.text, ensure_ascii=False)} "
        f"(probability {exp(answered.logprob):.2g}, log p {answered.logprob:.3g} nats)."
    )


def effect_words(answered: Answered) -> str:
    """Return what the effects mean, or that there is no effect."""
    if not bool(answered.effect_LHT.any()):
        return "It rests on nothing that the memory holds: the gates of the memory are 0, as before its training."
    return (
        "Effect: nats of this log p that rest on what the memory wrote at a token, to first order; below 0 it works against the "
        "answer. Lost without it: the same, read again without this write, in all layers. Where the two differ, the second is so."
    )


def write_page(surprise: Surprise, layer: int | None, lost: Sequence[float], model: str, path: Path) -> None:
    """Write the page. layer: what it shows first; None is the mean over layers. lost: see `effects_table`.

    Raises OutgrowError where the page cannot be written.
    """
    try:
        write_atomic(path, render(surprise, layer, lost, model).encode("utf-8", errors="replace"))
    except OSError as error:
        raise OutgrowError(f"{path}: cannot write the page ({error.strerror or error})") from error


def render(surprise: Surprise, layer: int | None, lost: Sequence[float], model: str) -> str:
    """Return the page as HTML. Text and model are escaped by the template; the script puts numbers into titles and colours only."""
    here = files("outgrow.report")
    css, script = ((here / name).read_text(encoding="utf-8") for name in ("page.css", "surprise.js"))
    style = css + token_style()
    layers, heads, _ = surprise.surprise_LHT.shape
    answered, shown = surprise.answered, surprise.row.shown
    losses = [None if (loss := surprise.losses[at]) is None else _short(loss) for at in shown]
    known = [loss for loss in losses if loss is not None]
    return page_template("report/surprise.html.jinja").render(
        model=model,
        rule=surprise.rule,
        tokens=counted(len(shown), "token"),
        pieces=shown_pieces(surprise),
        first=surprise.row.first,
        layers=layers,
        heads=heads,
        layer=layer,
        all_layers=layer is None,
        losses=losses,
        strength=lambda value, low, high: Scale(low, high).strength(value),
        loss_scale=spread(known),
        surprise=_surprise_options(surprise),
        effect=_effect_options(surprise, answered) if answered else None,
        chosen=_key(layer, None),
        top=most_surprising(surprise, layer),
        answer_words=answer_words(answered) if answered else "",
        effect_words=effect_words(answered) if answered else "",
        effects_caption=effects_caption(surprise),
        effects_table=effects_table(answered, surprise, layer, lost) if answered else None,
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; script-src {hash_source(script)}; style-src {hash_source(style)}; base-uri 'none'",
    )


def _surprise_options(surprise: Surprise) -> dict[str, dict[str, Any]]:
    """Return what each choice of layer and head shows of surprise: means over those that are not chosen."""
    shown, options = surprise.row.shown, {}
    for layer, head in _choices(*surprise.surprise_LHT.shape[:2]):
        part = _chosen(surprise.surprise_LHT, layer, head)
        values = [float(value) for value in part.mean((0, 1))]
        scale = spread([values[at] for at in shown])
        of_choice = Surprise(surprise.row, surprise.rule, part, surprise.losses, None)
        said = _correlation(*of_choice.correlation())
        options[_key(layer, head)] = _Option([values[at] for at in shown], scale.low, scale.high, said).as_json()
    return options


def _effect_options(surprise: Surprise, answered: Answered) -> dict[str, dict[str, Any]]:
    """The same of effects, which add up."""
    options = {}
    for layer, head in _choices(*surprise.surprise_LHT.shape[:2]):
        sums = _chosen(answered.effect_LHT, layer, head).sum((0, 1))
        values = [float(sums[at]) for at in surprise.row.shown]
        scale = around_zero(values)
        options[_key(layer, head)] = _Option(values, scale.low, scale.high, "").as_json()
    return options


def _choices(layers: int, heads: int) -> list[tuple[int | None, int | None]]:
    return [(layer, head) for layer in (None, *range(layers)) for head in (None, *range(heads))]


def _chosen(values_LHT: Any, layer: int | None, head: int | None) -> Any:
    part = values_LHT if layer is None else values_LHT[layer : layer + 1]
    return part if head is None else part[:, head : head + 1]


def _key(layer: int | None, head: int | None) -> str:
    return ",".join("all" if one is None else str(one) for one in (layer, head))


def _correlation(value: float | None, n: int) -> str:
    of = f"over {counted(n, 'token')}"
    if value is None:
        reason = "one of them does not vary" if n > 1 else "there are too few with a loss"
        return f"Surprise and loss cannot be correlated {of}: {reason}."
    return f"Spearman correlation of surprise and loss: {value:.2f} {of}."


def _loss(loss: float | None) -> str:
    return "" if loss is None else f"{loss:.3g}"


def _short(value: float) -> float:
    """Return a number in four digits, which are enough for a page of many."""
    return float(f"{value:.4g}")
