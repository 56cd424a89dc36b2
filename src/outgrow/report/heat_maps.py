"""Pass rates and their changes by field and level, as tables of coloured cells."""

from dataclasses import dataclass
from typing import Literal

from ..core.counted import counted
from ..core.estimate import Estimate
from ..evaluate.change import Grid, shows_change
from . import words


@dataclass(frozen=True)
class HeatCell:
    """A coloured cell of a heat map."""

    text: str
    hint: str
    """Tooltip."""
    tint: str = "share"
    """share, gain or loss."""
    strength: int = 0
    """Strength of the colour, from 0 to 100."""
    marked: bool = False
    """Whether the text is underlined."""
    frame: Literal["", "solid", "dashed"] = ""
    """The line around it."""


@dataclass(frozen=True)
class HeatMap:
    """A table of coloured cells."""

    title: str
    legend: str
    columns: list[str]
    rows: list[tuple[str, list[HeatCell]]]
    """Heading and cells of each row."""


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
                cells.append(heat_cell(estimate, place, k, strongest if part == "change" else None))
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


def heat_cell(
    estimate: Estimate | None, place: str, k: int, strongest: float | None, frame: Literal["", "solid", "dashed"] = ""
) -> HeatCell:
    """Return a cell. strongest: the change with the full colour; None where the cell is a pass rate. k: samples per problem."""
    if estimate is None:
        return HeatCell("", f"{place}: no problems")
    size = f"n = {estimate.n} problems × {counted(k, 'sample')}"
    if strongest is None:
        hint = f"{place}: {words.share_estimate(estimate)}, {size}"
        return HeatCell(f"{100 * estimate.value:.0f}", hint, strength=round(100 * estimate.value), frame=frame)
    return HeatCell(
        text=words.points(estimate.value, 0),
        hint=f"{place}: {words.share_change(estimate)}, {size}",
        tint="gain" if estimate.value >= 0 else "loss",
        strength=round(100 * abs(estimate.value) / strongest),
        marked=shows_change(estimate),
    )
