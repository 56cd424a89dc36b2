"""The data card: what the rows are, how they were made, and how far to trust them, in the hub's README.md shape."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from ..config.schema import DataSection
from ..core.estimate import Estimate
from ..policy import Sampling
from .row import SyntheticRow
from .summary import SyntheticSummary

_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M", 10_000_000: "1M<n<10M"}
_LINES = 200  # of a table; a set may have a field for every row
_NAME, _TEXT = 80, 600  # characters shown of a name, and of an example's texts
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#!~&$])")


@dataclass(frozen=True)
class HowMade:
    """Settings that the card tells."""

    section: DataSection
    sampling: Sampling
    seed: int
    generation: int


def card(rows: Sequence[SyntheticRow], how: HowMade, summary: SyntheticSummary) -> str:
    """The card's text. rows: those in the set, one at least."""
    models = sorted({row.model for row in rows})
    problems = len({row.problem_id for row in rows})
    settings = {
        "seed": how.seed,
        "generation": how.generation,
        "data": how.section.model_dump(exclude_none=True),
        "sampling": how.sampling.model_dump(),
    }
    lines = [
        *_front_matter(how, summary),
        f"# Answers of a model to {problems:,} problems, generation {how.generation}",
        "",
        f"{summary.kept:,} answers that a model itself wrote, "
        + (
            "each right by its problem's known answer."
            if how.section.keep == "verified"
            else "right or wrong as they came: a control, meant for comparison and not for use."
        ),
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'rows = load_dataset("parquet", data_files="data/*.parquet", split="train")  # in this folder',
        "```",
        "",
        "`messages` has the hub's chat shape: the question as the model was asked it, and the whole answer with its thoughts. "
        "`sampled` is what the model wrote after its prompt, character for character. Chat templates such as DeepSeek-R1's cut the "
        "thoughts out of an answer, also out of the last one: train with a template that does not, or on `sampled`. "
        "`pass_rate` is the share of right ones among the `n` answers looked at for the problem.",
        "",
        "## How it was made",
        "",
        f"By `outgrow data`, from {summary.drawn:,} answers to {summary.problems:,} problems, {summary.right:,} of them right"
        f"{_before(summary)}. Written by the weights with this sha256 (`Policy.digest()`), or the model of this name on a server:",
        "",
        *(f"- {_name(model)}" for model in models),
        "",
        "```toml",
        tomli_w.dumps(settings).strip(),
        "```",
        "",
        f"sha256 of the Parquet file: {summary.sha256}",
        "",
        "## What was drawn and kept",
        "",
        *_table(
            ("field", "level", "problems", "drawn", "right", "kept"),
            ((c.field, c.level, c.problems, c.drawn, c.right, c.kept) for c in summary.by_cell),
        ),
        "By how often a problem's answers were right (easy: at least 0.8; hard: at most 0.2):",
        "",
        *_table(
            ("problems that are", "problems", "drawn", "right", "kept"),
            ((b.band, b.problems, b.drawn, b.right, b.kept) for b in summary.by_band),
        ),
        *_table(("dropped because", "answers"), summary.dropped.items()),
        "## How good it is",
        "",
        *_quality(how.section, summary),
        "",
        "## Contamination",
        "",
        *_contamination(summary),
        "",
        "## An example",
        "",
        *_example(rows[0]),
        "",
    ]
    return "\n".join(lines)


def share_text(share: Estimate | None) -> str:
    """Return a share of rows with its interval and its n, as the card has it.

    >>> share_text(Estimate(0.97, 0.951, 0.982, 500)), share_text(None)
    ('0.970 (0.951 to 0.982), n = 500', 'no such answer')
    """
    return f"{share}, n = {share.n:,}" if share else "no such answer"


def suite_name(name: str) -> str:
    """A suite as it may be told to anyone: of a file the last part, since a path means nothing elsewhere."""
    return Path(name).name if name.endswith((".jsonl", ".parquet")) else name


def _front_matter(how: HowMade, summary: SyntheticSummary) -> list[str]:
    size = next((name for most, name in _SIZES.items() if summary.kept < most), "n>10M")
    return [
        "---",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path: data/train-*.parquet",
        "task_categories: [text-generation]",
        f'size_categories: ["{size}"]',
        f"tags: [outgrow, synthetic, reasoning, {'rejection-sampling' if how.section.keep == 'verified' else 'unverified'}]",
        "---",
        "",
    ]


def _before(summary: SyntheticSummary) -> str:
    if not summary.written:
        return ""
    return f"; {summary.written:,} of them were written while the model learned, by weights on the way to what it came to"


def _quality(section: DataSection, summary: SyntheticSummary) -> list[str]:
    checker = (
        "the checker that chose them, so this shows that nothing was mixed up and not that the checker is right"
        if section.keep == "verified"
        else "a checker that had no say in what was kept"
    )
    return [
        f"- Right answers, by {checker}: {share_text(summary.precision)}",
        "- Answers with written calculations in which every calculation holds, which no checker looked at before: "
        f"{share_text(summary.sound)}",
        "",
        "Intervals are Wilson's, 95%, as if answers to one problem were independent.",
    ]


def _contamination(summary: SyntheticSummary) -> list[str]:
    lines = [
        f"{summary.contaminated:,} answers that would have been kept were dropped, for answering a question of one of these suites "
        "or holding 13 words in a row of one (words that more than ten of their questions share do not count)."
        if summary.checked
        else "Not checked."
    ]
    counts = ((suite_name(one.suite), one.questions, one.same, one.overlapping) for one in summary.checked)
    lines += ["", *_table(("suite", "questions", "answers to one of them", "answers with 13 words of one"), counts)]
    if summary.not_checked:
        lines += ["Not checked, since not to be had: " + ", ".join(_name(suite_name(one)) for one in summary.not_checked) + "."]
    return lines


def _example(row: SyntheticRow) -> list[str]:
    """Its texts, indented: nothing in them is markup then, and nothing ends the block."""
    lines = []
    for message in row.messages:
        text = message["content"]
        if len(text) > _TEXT:
            text = f"{text[: _TEXT // 2]} … {text[-_TEXT // 2 :]}"
        lines += [f"    {message['role']}:", *(f"    {_harmless(line)}" for line in text.splitlines())]
    return lines


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    written = [f"| {' | '.join(_name(cell) if isinstance(cell, str) else f'{cell:,}' for cell in row)} |" for row in rows]
    more = [f"… and {len(written) - _LINES:,} more.", ""] if len(written) > _LINES else []
    if not written:
        return []
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *written[:_LINES], "", *more]


def _name(text: str) -> str:
    """A text that others chose, so that it is nothing but text."""
    return _MARKUP.sub(r"\\\1", _harmless(text[:_NAME]))


def _harmless(text: str) -> str:
    """Without what a reader would obey and not see: control and formatting characters (those that turn the direction, too)."""
    return "".join(letter for letter in text if letter == "\t" or not unicodedata.category(letter).startswith(("C", "Zl", "Zp")))
