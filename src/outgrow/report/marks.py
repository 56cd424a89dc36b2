"""Marks in the learning curves where a run was changed: a dotted line between two steps, with what was changed."""

import html
from collections.abc import Sequence
from typing import Any

from ..runs.changed import Change, by_step
from .figures import Figure

_LONGEST = 44  # characters of a label: as high as a small chart


def with_marks(figure: Figure, changes: Sequence[Change]) -> Figure:
    """Return the figure with a line where settings, data or versions changed. A change before step 1 holds for the whole curve."""
    marks = [(step + 0.5, _label(group)) for step, group in by_step(list(changes)).items() if step]
    if not marks:
        return figure
    layout = figure["layout"]
    line = {"color": "@muted", "width": 1.25, "dash": "dot"}
    lines = [{"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line} for x, _ in marks]
    texts: list[dict[str, Any]] = [
        {
            "x": x,
            "y": 1,
            "yref": "paper",
            "xanchor": "right",
            "yanchor": "top",
            "text": html.escape(text),
            "textangle": -90,
            "showarrow": False,
            "font": {"size": 10.5, "color": "@muted"},
        }
        for x, text in marks
    ]
    shapes, annotations = layout.get("shapes", []), layout.get("annotations", [])
    return {**figure, "layout": {**layout, "shapes": [*shapes, *lines], "annotations": [*annotations, *texts]}}


def _label(changes: Sequence[Change]) -> str:
    """Return what was changed at one step, short enough for a chart.

    >>> _label([Change(3, "learn.lr", "0.1 → 0.2"), Change(3, "data", "suite a: 1 added")])
    'learn.lr 0.1 → 0.2, and 1 more'
    """
    first, more = str(changes[0]), f", and {len(changes) - 1} more" if len(changes) > 1 else ""
    room = _LONGEST - len(more)
    return (first if len(first) <= room else f"{first[: room - 1]}…") + more
