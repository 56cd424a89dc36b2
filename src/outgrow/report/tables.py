"""The tables of a run's page, as rows of finished text that the template lays out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.amounts import duration
from ..core.estimate import Estimate
from ..core.metrics import is_share
from ..evaluate.change import Comparison, Grid, grid, shows_change
from ..runs.changed import when
from . import words
from .cells import Good, Tone, Toned, toned
from .curves import BUCKETS, bucket_counts, figure_keys, visit_windows, window_means, windows
from .data import RunData

_TABLE_WINDOWS = 8
_NOT_YET = "not yet"

_MEASURES = {
    "pass@1": "one sample",
    "greedy": "most likely answer",
    "between": "not always",
    "truncated": "cut at the limit",
    "no_answer": "ended without one",
    "refused": "would not answer",
    "length": "tokens per sample",
}
_NAMES = {"between": "sometimes right", "no_answer": "no answer"}
_GOOD: dict[str, Good] = {"pass": "up", "maj": "up", "greedy": "up", "truncated": "down", "no_answer": "down", "refused": "down"}
"""First part of a measure's name -> whether more is better; others are neither."""


@dataclass(frozen=True)
class Bar:
    """An interval drawn on a scale from 0 to 100."""

    which: str
    """"before" or "after"."""
    low: float
    high: float
    value: float


@dataclass(frozen=True)
class MeasureRow:
    """A measure before and after training."""

    name: str
    note: str
    before: str
    after: str
    change: str
    tone: Tone
    """none too where more is neither better nor worse."""
    bars: list[Bar]


@dataclass(frozen=True)
class Table:
    """A plain table; the first cell of each row is its heading."""

    columns: list[str]
    rows: Sequence[Sequence[str]]
    """A cell of class `Toned` has a colour."""
    text: tuple[str, ...] = ()
    """Columns after the first that hold text; all others hold numbers."""

    @property
    def kinds(self) -> list[Literal["text", "number"]]:
        """What each column holds: text stands on the left, numbers on the right."""
        return ["text" if place == 0 or column in self.text else "number" for place, column in enumerate(self.columns)]


def measure_rows(comparisons: Mapping[str, Comparison]) -> list[MeasureRow]:
    """Return before, after and change of every measure, as text and as bars."""
    rows = []
    for name, compared in comparisons.items():
        share = name != "length"
        number, change = (words.share_estimate, words.share_change) if share else (words.token_estimate, words.token_change)
        good = _GOOD.get(name.partition("@")[0])
        moved = change(compared.change) if compared.change else ""
        shown = toned(moved, compared.change, good) if good else Toned(moved, "none")
        bars = [
            Bar(which, *(round(100 * value, 2) for value in (estimate.low, estimate.high, estimate.value)))
            for which, estimate in (("before", compared.before), ("after", compared.after))
            if estimate and share
        ]
        rows.append(
            MeasureRow(
                name=_NAMES.get(name, name),
                note=_MEASURES.get(name) or _note(name),
                before=number(compared.before) if compared.before else _NOT_YET,
                after=number(compared.after) if compared.after else _NOT_YET,
                change=shown,
                tone=shown.tone,
                bars=bars,
            )
        )
    return rows


def _note(name: str) -> str:
    kind, _, k = name.partition("@")
    return f"1 or more of {k} right" if kind == "pass" else f"most frequent of {k}"


def cell_table(grid: Grid) -> Table:
    """Return every cell of the heat maps with its intervals."""
    rows = []
    for (field, level), compared in grid.cells.items():
        known = compared.before or compared.after
        if field is None or level is None or known is None:
            continue
        before, after = (words.share_estimate(part) if part else _NOT_YET for part in (compared.before, compared.after))
        rows.append([f"{field} {level}", str(known.n), before, after, cell_change(compared.change)])
    return Table(["field and level", "n", "before", "after", "change"], rows)


def cell_change(change: Estimate | None) -> Toned:
    """Return the change of a part of the problems; it is coloured where the part has enough problems to show a change."""
    if change is None:
        return Toned("", "none")
    return toned(words.share_change(change), change if shows_change(change) else None)


def curve_table(data: RunData) -> Table:
    """Return the learning curves as numbers: a row for each metric, with its mean in a few windows of steps."""
    spans = windows(data.steps_done, _TABLE_WINDOWS)
    rows = [
        [key, *(words.figure(value, is_share(key)) for value in window_means(data.metrics, key, spans))]
        for key in figure_keys(data.metrics)
    ]
    return Table(["metric", *(f"steps {words.span_label(span)}" for span in spans)], rows)


def histogram_table(data: RunData) -> Table:
    """Return the pass-rate histogram as numbers."""
    spans = visit_windows(data.visits, _TABLE_WINDOWS)
    rows = []
    for span, counts in zip(spans, bucket_counts(data.visits, spans), strict=True):
        total = sum(counts)
        rows.append([words.span_label(span), f"{total:,}", *(f"{count / total:.0%}" if total else "" for count in counts)])
    return Table(["steps", "visits", *BUCKETS], rows)


def calibration_table(data: RunData) -> Table:
    """Return how far the ledger's estimates were from new samples."""
    columns = ["last visited", "problems", "the ledger", "the last visit", "the level", "rank correlation"]
    rows = [
        [row.staleness, str(row.n), *map(_error, (row.brier, row.brier_last, row.brier_level, row.rank_correlation))]
        for row in data.calibration
    ]
    return Table(columns, rows)


def drift_table(data: RunData) -> Table:
    """Return pass@1 on other suites over the run, with intervals."""
    rows = []
    for row in sorted(data.drift, key=lambda row: row.suite):
        change = cell_change(row.change_estimate if row.step else None)
        rows.append([row.suite, str(row.step), f"{row.n:,} × {row.k}", words.share_estimate(row.estimate), change])
    return Table(["suite", "step", "n × k", "pass@1", "change from the base"], rows)


def others_table(data: RunData) -> Table:
    """Return pass@1 by field on the suites of evaluate.extra_suites, with intervals."""
    rows = []
    for suite, (before, after) in data.others.items():
        cells = grid(before, after)
        for field in cells.fields:
            cell = cells.cells[field, None]
            if cell.before and cell.after and cell.change:
                ends = (words.share_estimate(cell.before), words.share_estimate(cell.after))
                rows.append([suite, field, f"{cell.before.n:,} × {before.k}", *ends, cell_change(cell.change)])
    return Table(["suite", "field", "n × k", "before", "after", "change"], rows, text=("field",))


def _error(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def time_table(data: RunData) -> Table:
    """Return the time of each phase."""
    seconds = data.seconds()
    total = sum(seconds.values())
    rows = [[phase.replace("_", " "), duration(spent), f"{spent / total:.0%}"] for phase, spent in seconds.items() if total]
    return Table(["phase", "time", "share"], rows)


def change_table(data: RunData) -> Table:
    """Return what was changed when the run was resumed: a row for each setting, part of the data and version."""
    return Table(["what", "when", "change"], [[change.what, when(change.after_step), change.text] for change in data.changes])


def facts(data: RunData) -> list[tuple[str, str]]:
    """Return what was run, and its cost, in a few lines."""
    recipe, seconds = data.recipe, data.seconds()
    visits = data.visits.in_training()
    rollouts, visited = int(visits.n.sum()), len(np.unique(visits.problem))
    lines = [
        ("Steps", f"{data.steps_done:,} of {recipe.learn.steps:,}"),
        ("Model", recipe.policy.model or "a new micro policy"),
        ("Problems", _types(recipe.problems)),
    ]
    if recipe.kind == "rl":
        lines += [
            ("Rewards", _types(recipe.rewards)),
            ("Advantage and curriculum", f"{recipe.advantage.type}, {recipe.curriculum.type}"),
        ]
        if recipe.distill:
            first = f" in the first {recipe.distill.steps:,} steps" if recipe.distill.steps else ""
            lines.append(("Distilled teacher", recipe.distill.model + first))
        if len(visits):
            lines.append(("Practised", f"{rollouts:,} rollouts of {visited:,} of {data.known_problems:,} problems"))
        tokens = float((visits.n * visits.mean_length).sum())
        if seconds.get("generation"):
            lines.append(("Generated", f"{tokens:,.0f} tokens, {tokens / seconds['generation']:,.0f} per second"))
    lines += [
        ("Wall-clock", duration(sum(seconds.values()))),
        ("Cost", words.cost(sum(seconds.values()), recipe.run.dollars_per_hour)),
        ("Seed", str(recipe.seed)),
    ]
    return lines


def _types(components: Sequence[object]) -> str:
    return ", ".join(str(getattr(component, "type", component)) for component in components)
