"""The tables of a run's page, as rows of finished text that the template lays out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.amounts import duration
from ..core.estimate import Estimate
from ..core.metrics import is_share
from ..evaluate.change import Comparison, Grid, grid, shows_change
from ..runs.changed import when
from . import words
from .curves import BUCKETS, bucket_counts, figure_keys, visit_windows, window_means, windows
from .data import RunData

_TABLE_WINDOWS = 10
_NOT_YET = "not yet"

_MEASURES = {
    "pass@1": "one sample",
    "greedy": "the most likely answer",
    "between": "problems with right and wrong samples",
    "truncated": "samples cut at the token limit",
    "no_answer": "samples without a final answer",
    "length": "tokens per sample",
}
_NAMES = {"between": "sometimes right", "no_answer": "no answer"}


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
    tone: str
    """gain, loss or none for measures where more is better; empty for others."""
    bars: list[Bar]


@dataclass(frozen=True)
class HeatCell:
    """A coloured cell of a heat map."""

    text: str
    hint: str
    """Tooltip."""
    tint: str = "share"
    """share, gain or loss."""
    strength: float = 0.0
    """Strength of the colour, from 0 to 100."""
    marked: bool = False
    """Whether the text is underlined."""


@dataclass(frozen=True)
class HeatMap:
    """A table of coloured cells."""

    title: str
    legend: str
    columns: list[str]
    rows: list[tuple[str, list[HeatCell]]]
    """Heading and cells of each row."""


@dataclass(frozen=True)
class Table:
    """A plain table; the first cell of each row is its heading."""

    columns: list[str]
    rows: list[list[str]]


def measure_rows(comparisons: Mapping[str, Comparison]) -> list[MeasureRow]:
    """Return before, after and change of every measure, as text and as bars."""
    rows = []
    for name, compared in comparisons.items():
        share = name != "length"
        number, change = (words.share_estimate, words.share_change) if share else (words.token_estimate, words.token_change)
        better = name == "greedy" or name.startswith(("pass@", "maj@"))
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
                change=change(compared.change) if compared.change else "",
                tone=tone(compared.change) if better else "",
                bars=bars,
            )
        )
    return rows


def _note(name: str) -> str:
    kind, _, k = name.partition("@")
    return f"at least one of {k} samples right" if kind == "pass" else f"the most frequent answer of {k} samples"


def tone(change: Estimate | None) -> str:
    """Return gain, loss, or none where the interval holds 0 or nothing was measured."""
    if change is None or not change.excludes():
        return "none"
    return "gain" if change.value > 0 else "loss"


def heat_maps(grid: Grid, k: int) -> list[HeatMap]:
    """Return the field × level maps before, after, and of the change, as far as measured."""
    compared = grid.cells.values()
    strongest = max((abs(cell.change.value) for cell in compared if cell.change), default=0.0) or 1.0
    levels: list[int | None] = [*grid.levels, None]
    fields: list[str | None] = [*grid.fields, None]

    def table(title: str, legend: str, part: str) -> HeatMap:
        rows = []
        for field in fields:
            cells = []
            for level in levels:
                place = f"{'all fields' if field is None else field}, {'all levels' if level is None else f'level {level}'}"
                comparison = grid.cells.get((field, level))
                estimate: Estimate | None = getattr(comparison, part) if comparison else None
                cells.append(_heat_cell(estimate, place, k, strongest if part == "change" else None))
            rows.append(("all" if field is None else field, cells))
        return HeatMap(title, legend, [*("all" if level is None else str(level) for level in levels)], rows)

    maps = []
    if any(cell.before for cell in compared):
        maps.append(table("Before", "Percent of right answers.", "before"))
    if any(cell.after for cell in compared):
        maps.append(table("After", "Percent of right answers.", "after"))
    if any(cell.change for cell in compared):
        legend = "Change in percentage points. Underlined: the cell's 95% interval excludes 0."
        maps.append(table("Change", legend, "change"))
    return maps


def _heat_cell(estimate: Estimate | None, place: str, k: int, strongest: float | None) -> HeatCell:
    """Return a cell. strongest: the change with the full colour; None where the cell is a pass rate."""
    if estimate is None:
        return HeatCell("", f"{place}: no problems")
    size = f"n = {estimate.n} problems × {k} samples"
    if strongest is None:
        hint = f"{place}: {words.share_estimate(estimate)}, {size}"
        return HeatCell(f"{100 * estimate.value:.0f}", hint, strength=round(100 * estimate.value, 1))
    return HeatCell(
        text=words.points(estimate.value, 0),
        hint=f"{place}: {words.share_change(estimate)}, {size}",
        tint="gain" if estimate.value >= 0 else "loss",
        strength=round(100 * abs(estimate.value) / strongest, 1),
        marked=shows_change(estimate),
    )


def cell_table(grid: Grid) -> Table:
    """Return every cell of the heat maps with its intervals."""
    rows = []
    for (field, level), compared in grid.cells.items():
        known = compared.before or compared.after
        if field is None or level is None or known is None:
            continue
        before, after = (words.share_estimate(part) if part else _NOT_YET for part in (compared.before, compared.after))
        change = words.share_change(compared.change) if compared.change else ""
        rows.append([f"{field} {level}", str(known.n), before, after, change])
    return Table(["field and level", "n", "before", "after", "change"], rows)


def curve_table(data: RunData) -> Table:
    """Return the learning curves as numbers: the mean of every metric in a few windows of steps."""
    spans = windows(data.steps_done, _TABLE_WINDOWS)
    keys = figure_keys(data.metrics)
    columns = [window_means(data.metrics, key, spans) for key in keys]
    rows = [
        [words.span_label(span), *(words.figure(column[index], is_share(key)) for key, column in zip(keys, columns, strict=True))]
        for index, span in enumerate(spans)
    ]
    return Table(["steps", *keys], rows)


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
        change = words.share_change(row.change_estimate) if row.step else ""
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
                rows.append([suite, field, f"{cell.before.n:,} × {before.k}", *ends, words.share_change(cell.change)])
    return Table(["suite", "field", "n × k", "before", "after", "change"], rows)


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
    visits = [visit for visit in data.visits if visit.step > 0]  # step 0 is a profile
    rollouts, visited = sum(visit.n for visit in visits), len({visit.problem_id for visit in visits})
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
        if visits:
            lines.append(("Practised", f"{rollouts:,} rollouts of {visited:,} of {data.known_problems:,} problems"))
        tokens = sum(visit.n * visit.mean_length for visit in visits)
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
