"""What a run's memory makes of a few held-out questions: the surprise of each token, next to its plain loss."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, zip_longest
from pathlib import Path

from ..core.errors import DAMAGED, OutgrowError
from ..core.files import read_json
from ..evaluate.change import compare, largest_changes
from ..evaluate.sample import Sample
from ..evaluate.surprise import Surprise, require_surprise, surprise_of
from ..evaluate.surprise_row import row_of
from ..policy.memory.frozen import CONFIG, read_memory
from ..policy.memory.settings import MODEL_TYPE
from ..runs.folder import RunFolder
from .data import RunData
from .heat_scale import spread
from .heat_tokens import HeatToken, QuestionHeat, QuestionHeats
from .surprise import correlation_words, shown_pieces

_QUESTIONS = 3
_TOKENS = 2048
"""Of all questions together, so that a page is made in seconds; longer questions are left out."""


def question_heats(run: Path, data: RunData) -> QuestionHeats | None:
    """Return the heat of a few of the held-out problems, those whose change is shown first; None for a model without a memory, a
    memory without a surprise, and a run without a checkpoint or a measurement.

    Raises OutgrowError where the two measurements are of different problems.
    """
    samples = _samples(data) if _has_surprise(run) else []
    if not samples:
        return None
    from ..runs.models import run_policy

    try:
        policy = run_policy(run)
        rule, room = require_surprise(policy, str(run)), _TOKENS
        found: list[QuestionHeat] = []
        for sample in samples:
            row = row_of(policy, sample.question, chat=True)
            if len(found) < _QUESTIONS and len(row.ids) <= room:
                found.append(_heat(sample, surprise_of(policy, row, rule, question=False)))
                room -= len(row.ids)
    except OutgrowError as error:
        return QuestionHeats([], str(error))
    return QuestionHeats(found, "" if found else f"they have more than {_TOKENS:,} tokens")


def _samples(data: RunData) -> Sequence[Sample]:
    """Return a sample of each problem that may be shown: wins and losses in turn, or the first ones."""
    known = data.after or data.before
    if known is None:
        return []
    compare(data.before, data.after)  # which refuses those of different problems
    changes = largest_changes(data.before, data.after, _QUESTIONS) if data.before and data.after else ([], [])
    changed = [change.after for change in chain.from_iterable(zip_longest(*changes)) if change is not None]
    return changed or [samples[0] for samples in list(known.drawn().values())[:_QUESTIONS]]


def _has_surprise(run: Path) -> bool:
    """Return whether the newest checkpoint, a whole model or a memory next to a frozen base, has a memory with a surprise. A
    damaged one has none."""
    from ..policy.memory.watch import WITH_SURPRISE

    policy = RunFolder(run).checkpoints / "latest" / "policy"
    with suppress(OSError, OutgrowError, *DAMAGED):
        if (policy / CONFIG).is_file():
            return read_memory(policy)[0].rule in WITH_SURPRISE
        config = read_json(policy / "config.json")
        return config["model_type"] == MODEL_TYPE and config["memory"].get("rule", "titans") in WITH_SURPRISE
    return False


def _heat(sample: Sample, found: Surprise) -> QuestionHeat:
    values = [found.surprise()[at] for at in found.row.shown]
    losses = [found.losses[at] for at in found.row.shown]
    scales = spread(values), spread([loss for loss in losses if loss is not None])
    tokens = [
        HeatToken(piece, _title(value, loss), scales[0].strength(value), scales[1].strength(loss or 0))
        for piece, value, loss in zip(shown_pieces(found), values, losses, strict=True)
    ]
    return QuestionHeat(f"{sample.field}, level {sample.level}", tokens, *scales, correlation_words(found, None))


def _title(value: float, loss: float | None) -> str:
    return f"surprise {value:.3g}" + ("" if loss is None else f", loss {loss:.3g} nats")
