"""The card of a data set: what the rows are, how they were made, and how good they are, in the hub's README.md format."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import tomli_w

from ..config.sections import DataSection
from ..core.estimate import Estimate
from ..problems.named_table import label
from .request import DataRequest
from .row import SyntheticRow
from .summary import SyntheticSummary

_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
_LINES = 200  # of a table; a data set may have a field for every row
_NAME, _TEXT = 80, 600  # characters shown of a name, and of an example's messages
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#!~&$])")


def card(rows: Sequence[SyntheticRow], request: DataRequest, summary: SyntheticSummary) -> str:
    """Return the text of the card. rows: those in the data set, at least one."""
    lines = [
        *_front_matter(request.section, summary),
        *_introduction(rows, request, summary),
        *_how_it_was_made(rows, request, summary),
        *_counts(summary),
        *_quality(request.section, summary),
        *_contamination(summary),
        *_example(rows[0]),
    ]
    return "\n".join(lines)


def share_text(share: Estimate | None) -> str:
    """Return a share with its interval and n.

    >>> share_text(Estimate(0.97, 0.951, 0.982, 500)), share_text(None)
    ('0.970 (0.951 to 0.982), n = 500', 'no such answer')
    """
    return f"{share}, n = {share.n:,}" if share else "no such answer"


def _front_matter(section: DataSection, summary: SyntheticSummary) -> list[str]:
    size = next((name for limit, name in _SIZES.items() if summary.kept < limit), "n>10M")
    return [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path: data/train-*.parquet",
        "task_categories: [text-generation]",
        f'size_categories: ["{size}"]',
        f"tags: [outgrow, synthetic, reasoning, {'rejection-sampling' if section.keep == 'verified' else 'unverified'}]",
        "---",
        "",
    ]


def _introduction(rows: Sequence[SyntheticRow], request: DataRequest, summary: SyntheticSummary) -> list[str]:
    problems = len({row.problem_id for row in rows})
    correctness = (
        "Each is right by its problem's known answer."
        if request.section.keep == "verified"
        else "They are right or wrong as they came: a control, meant for comparison and not for use."
    )
    return [
        f"# A model's answers to {problems:,} problems, generation {request.generation}",
        "",
        f"{summary.kept:,} answers written by a model. {correctness}",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'rows = load_dataset("parquet", data_files="data/*.parquet", split="train")  # in this folder',
        "```",
        "",
        "`messages` has the hub's chat format: the prompt, and the whole answer with its thoughts. `sampled` is the model's text "
        "after its prompt, character for character. Chat templates such as DeepSeek-R1's remove the thoughts from an answer, also "
        "from the last one: train with a template that does not, or on `sampled`. `pass_rate` is the share of right answers among "
        "the `n` answers to the problem.",
        "",
    ]


def _how_it_was_made(rows: Sequence[SyntheticRow], request: DataRequest, summary: SyntheticSummary) -> list[str]:
    settings = {
        "seed": request.seed,
        "generation": request.generation,
        "data": request.section.model_dump(exclude_none=True),
        "sampling": request.sampling.model_dump(),
    }
    written = f"; {summary.written:,} of them were written in training, by weights before the final ones" if summary.written else ""
    sample = f" (n = {summary.limit})" if summary.limit else ""
    return [
        "## How it was made",
        "",
        f"By `outgrow data`, from {summary.drawn:,} answers to {summary.problems:,} problems{sample}, {summary.right:,} of them "
        f"right{written}. Written by the weights with this sha256 (`Policy.digest()`), or by the model of this name on a server:",
        "",
        *(f"- {_name(model)}" for model in sorted({row.model for row in rows})),
        "",
        "```toml",
        tomli_w.dumps(settings).strip(),
        "```",
        "",
        f"sha256 of the Parquet file: {summary.sha256}",
        "",
    ]


def _counts(summary: SyntheticSummary) -> list[str]:
    counted = ("problems", "drawn", "right", "kept")
    return [
        "## What was drawn and kept",
        "",
        *_table(
            ("field", "level", *counted),
            ((cell.field, cell.level, *(getattr(cell, name) for name in counted)) for cell in summary.by_cell),
        ),
        "By the problem's pass rate (easy: 0.8 or more; hard: 0.2 or less):",
        "",
        *_table(("band", *counted), ((band.band, *(getattr(band, name) for name in counted)) for band in summary.by_band)),
        *_table(("dropped because", "answers"), summary.dropped.items()),
    ]


def _quality(section: DataSection, summary: SyntheticSummary) -> list[str]:
    checker = (
        "the checker that chose them, so this shows that no row was mixed up, not that the checker is right"
        if section.keep == "verified"
        else "a checker that did not choose them"
    )
    return [
        "## Quality",
        "",
        f"- Right answers, by {checker}: {share_text(summary.precision)}",
        f"- Answers in which every written calculation holds, which the checker does not test: {share_text(summary.sound)}",
        "",
        "Intervals are Wilson's, 95%, as if answers to one problem were independent.",
        "",
    ]


def _contamination(summary: SyntheticSummary) -> list[str]:
    dropped = (
        f"{summary.contaminated:,} answers that passed the filters were dropped because they answer a question of one of these "
        "suites, or share 13 words in a row with one (words that more than ten questions share do not count)."
        if summary.checked
        else "Not checked."
    )
    counts = ((label(suite.suite), suite.questions, suite.same, suite.overlapping) for suite in summary.checked)
    table = _table(("suite", "questions", "answers to one of them", "answers with 13 words of one"), counts)
    missing = ", ".join(_name(label(name)) for name in summary.not_checked)
    return [
        "## Contamination",
        "",
        dropped,
        "",
        *table,
        *([f"Not checked, since not available: {missing}."] if missing else []),
        "",
    ]


def _example(row: SyntheticRow) -> list[str]:
    """Return the texts of a row, indented, so that nothing in them is markup or ends the block."""
    lines = ["## Example", ""]
    for message in row.messages:
        text = message["content"]
        if len(text) > _TEXT:
            text = f"{text[: _TEXT // 2]} … {text[-_TEXT // 2 :]}"
        lines += [f"    {message['role']}:", *(f"    {_printable(line)}" for line in text.splitlines())]
    return [*lines, ""]


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = [f"| {' | '.join(_name(cell) if isinstance(cell, str) else f'{cell:,}' for cell in row)} |" for row in rows]
    more = [f"… and {len(lines) - _LINES:,} more.", ""] if len(lines) > _LINES else []
    if not lines:
        return []
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *lines[:_LINES], "", *more]


def _name(text: str) -> str:
    """Return a text that others chose with its markup escaped."""
    return _MARKUP.sub(r"\\\1", _printable(text[:_NAME]))


def _printable(text: str) -> str:
    """Return a text without control and formatting characters, those that change the direction of writing included."""
    return "".join(letter for letter in text if letter == "\t" or not unicodedata.category(letter).startswith(("C", "Zl", "Zp")))
