"""What was seen, in a few lines for a person."""

import statistics
from collections.abc import Sequence

from .data import DataFindings
from .findings import Findings
from .machine import Machine
from .model import ModelFindings

_NOTES = 5  # lines of notes; the rest are counted


def seen(findings: Findings) -> list[str]:
    """Return what was seen of the problems, the model and the machine, a line each."""
    data, tokens = findings.data, findings.tokens
    solutions = f"; solutions {statistics.median(tokens.solutions):,.0f} tokens" if tokens.solutions else "; no solutions"
    held = findings.held
    return [
        _problems(data),
        _answers(data),
        f"questions  {data.median_question:,} letters in the middle, the longest prompt {tokens.prompt:,} tokens{solutions}"
        + (f"; in {' and '.join(data.scripts)}" if data.scripts and data.scripts != ("Latin",) else ""),
        *([f"held out   {held.problems:,} problems of {held.name}"] if held else []),
        f"model      {_model(findings.model)}",
        f"machine    {_machine(findings.machine)}",
    ]


def noted(notes: Sequence[str]) -> list[str]:
    """Return the first notes, and how many more there are."""
    rest = len(notes) - _NOTES
    return [*(f"note       {line}" for line in notes[:_NOTES]), *([f"note       and {rest} more"] if rest > 0 else [])]


def _problems(data: DataFindings) -> str:
    table = data.table
    columns = f"question in {table.question or 'question'!r}, answer in {table.answer or 'answer'!r}"
    more = f", level in {table.level!r}" if table.level else ""
    more += f", field in {table.field!r} ({data.fields})" if table.field else ""
    return f"problems   {data.problems:,} in {table.path or table.hub}: {columns}{more}"


def _answers(data: DataFindings) -> str:
    answers = data.answers
    examples = ", ".join(example if len(example) <= 30 else f"{example[:29]}…" for example in answers.examples)
    return f"answers    {answers.shares()}; {answers.distinct:,} different, for example {examples}"


def _model(model: ModelFindings) -> str:
    kind = "R1's chat template" if model.is_r1 else "a chat template" if model.has_template else "no chat template (a base model)"
    thinks = ", thinks aloud" if model.thinks else ""
    return f"{model.name}: {model.parameters / 1e6:,.1f}M parameters, context {model.shape.context:,} tokens, {kind}{thinks}"


def _machine(machine: Machine) -> str:
    gpu = machine.gpu or "no GPU"
    return f"{machine.cores} cores, {machine.memory / 1e9:.0f} GB of {'GPU ' if machine.gpu else ''}memory, {gpu}"
