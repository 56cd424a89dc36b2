"""Plotly figures as plain dicts. Colours are names of the page's CSS variables ("@c1"); the page's script replaces them."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.estimate import Estimate
from .axes import log_axis, number_axis, share_axis, step_axis
from .curves import Series, smooth, thin

Figure = dict[str, Any]

_COLOURS = ("@c1", "@c2", "@c3", "@c4", "@c5", "@c6")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")  # curves differ in more than their colour
_MAX_MARKERS = 60  # an unsmoothed curve with more points has no markers


def rounded(values: Series, log: bool = False) -> list[float | None]:
    """Return values with four significant digits, more than a screen shows; None for what cannot be drawn."""
    return [
        float(f"{value:.4g}") if value is not None and math.isfinite(value) and (value > 0 or not log) else None for value in values
    ]


def curves(
    steps: Sequence[float], named: Mapping[str, Series], axis: str, width: int, *, share: bool = False, log: bool = False
) -> Figure:
    """Return curves over steps. named: label -> values. width: steps that a curve is smoothed over, 1 for no smoothing.

    A metric that most steps lack is drawn as it is; any other as a smoothed line over the raw points.
    """
    number = "%{y:.1%}" if share else "%{y:.4~g}"
    traces: list[Figure] = []
    for index, (name, values) in enumerate(named.items()):
        style = {"color": _COLOURS[index % len(_COLOURS)], "dash": _DASHES[index % len(_DASHES)], "width": 2.25}
        common = {"type": "scatter", "name": html.escape(name), "legendgroup": str(index), "connectgaps": True}
        known = [(step, value) for step, value in zip(steps, values, strict=True) if value is not None]
        if width == 1 or len(known) < len(values) / 2:
            xs, ys = _positions([step for step, _ in known]), rounded(thin([value for _, value in known]), log)
            mode = "lines+markers" if len(xs) <= _MAX_MARKERS else "lines"
            marker = {"color": style["color"], "size": 7}
            traces.append({**common, "mode": mode, "x": xs, "y": ys, "line": style, "marker": marker, "hovertemplate": number})
            continue
        xs, raw, line = _positions(steps), rounded(thin(values), log), rounded(thin(smooth(values, width)), log)
        dots = {"color": style["color"], "size": 4, "opacity": 0.4}
        traces.append({**common, "mode": "markers", "x": xs, "y": raw, "marker": dots, "hoverinfo": "skip", "showlegend": False})
        exact = number.replace("{y", "{customdata")
        hover = f"{number} (unsmoothed {exact})"
        traces.append({**common, "mode": "lines", "x": xs, "y": line, "customdata": raw, "line": style, "hovertemplate": hover})
    layout = _layout("step", axis, legend=len(named) > 1)
    rows = zip(steps, zip(*named.values(), strict=True), strict=True) if named else ()
    layout["xaxis"] |= step_axis([step for step, row in rows if any(value is not None for value in row)])
    layout["yaxis"] |= share_axis() if share else log_axis(list(named.values())) if log else number_axis()
    return {"data": traces, "layout": layout}


def interval_point(name: str, step: float, estimate: Estimate, colour: str) -> Figure:
    """Return a trace of one estimate of a share: a diamond with its interval."""
    value, low, high = (float(f"{number:.4g}") for number in (estimate.value, estimate.low, estimate.high))
    return {
        "type": "scatter",
        "mode": "markers",
        "name": html.escape(name),
        "x": [step],
        "y": [value],
        "marker": {"symbol": "diamond", "size": 11, "color": colour, "line": {"color": "@surface", "width": 1}},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [float(f"{high - value:.4g}")],
            "arrayminus": [float(f"{value - low:.4g}")],
            "color": colour,
            "thickness": 1.75,
            "width": 5,
        },
        "hovertemplate": f"%{{y:.1%}} ({low:.1%} to {high:.1%})",
    }


def estimates(positions: Sequence[float], named: Mapping[str, Sequence[Estimate | None]], x: str, y: str) -> Figure:
    """Return lines through estimates of shares, with intervals. named: label -> one estimate or None for each position."""
    traces = []
    for index, (name, values) in enumerate(named.items()):
        known = [(x_value, estimate) for x_value, estimate in zip(positions, values, strict=True) if estimate is not None]
        points = [interval_point(name, x_value, estimate, _COLOURS[index % len(_COLOURS)]) for x_value, estimate in known]
        line = {"color": _COLOURS[index % len(_COLOURS)], "dash": _DASHES[index % len(_DASHES)], "width": 2.25}
        ends = {part: [end for point in points for end in point["error_y"][part]] for part in ("array", "arrayminus")}
        for point in points[:1]:
            line_xy = {axis: [value for other in points for value in other[axis]] for axis in ("x", "y")}
            bars = {**point["error_y"], **ends}
            traces.append({**point, **line_xy, "mode": "lines+markers", "line": line, "error_y": bars, "hovertemplate": "%{y:.1%}"})
    layout = _layout(x, y, legend=len(named) > 1)
    layout["xaxis"] |= {"tickvals": list(positions)}
    layout["yaxis"] |= share_axis()
    return {"data": traces, "layout": layout}


def stacked_seconds(steps: Sequence[float], named: Mapping[str, Series]) -> Figure:
    """Return the seconds of every step by phase, as stacked bars."""
    xs = _positions(steps)
    traces = [
        {
            "type": "bar",
            "name": html.escape(name),
            "x": xs,
            "y": rounded(thin([value or 0.0 for value in values])),
            "marker": {"color": _COLOURS[index % len(_COLOURS)], "line": {"width": 0}},
            "hovertemplate": "%{y:.3~g} s",
        }
        for index, (name, values) in enumerate(named.items())
    ]
    layout = _layout("step", "seconds per step", legend=len(named) > 1)
    layout["xaxis"] |= step_axis(steps)
    layout["yaxis"] |= {"rangemode": "tozero"}
    return {"data": traces, "layout": {**layout, "barmode": "stack", "bargap": 0}}


def stacked_shares(labels: Sequence[str], names: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """Return shares that add up to 1 in each window. labels: of the windows. counts: a row per window, a number per name."""
    totals = [sum(row) for row in counts]
    traces = [
        {
            "type": "bar",
            "name": html.escape(name),
            "x": list(labels),
            "y": rounded([row[index] / total if total else None for row, total in zip(counts, totals, strict=True)]),
            "customdata": [f"{row[index]:,} of {total:,}" for row, total in zip(counts, totals, strict=True)],
            "marker": {"color": f"@b{index}", "line": {"color": "@surface", "width": 0.75}},
            "hovertemplate": "%{y:.0%} (%{customdata})",
        }
        for index, name in enumerate(names)
    ]
    layout = _layout("steps", "share of visits", legend=True)
    layout["xaxis"] |= {"type": "category"}
    layout["yaxis"] |= {**share_axis(), "range": [0, 1]}
    return {"data": traces, "layout": {**layout, "barmode": "stack", "bargap": 0.06}}


def _positions(steps: Sequence[float]) -> list[float | None]:
    """Return the x values of a thinned curve."""
    return [step if step is None else round(step, 1) for step in thin(steps)]


def _layout(x: str, y: str, legend: bool) -> dict[str, Any]:
    line = {"gridcolor": "@grid", "zeroline": False, "linecolor": "@line", "automargin": True, "tickfont": {"color": "@muted"}}
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 12.5, "color": "@ink"},
        "margin": {"l": 52, "r": 10, "t": 10, "b": 42},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "@surface", "bordercolor": "@line", "font": {"color": "@ink"}},
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "xaxis": {
            **line,
            "title": {"text": x, "font": {"color": "@muted", "size": 12.5}},
            "showgrid": False,
            "unifiedhovertitle": {"text": f"{x} %{{x}}"},
            "spikecolor": "@line",
            "spikethickness": 1,
            "spikedash": "solid",
        },
        "yaxis": {**line, "title": {"text": html.escape(y), "font": {"color": "@muted", "size": 12.5}}},
    }
