"""Axes of charts. Their labels differ, also after zooming: the digits follow the distance between two ticks."""

import math
from collections.abc import Sequence
from typing import Any

from .curves import Series

_MOST_DIGITS = 6  # of a percentage; a share is drawn with four significant digits
_SHORT = 12  # a run of up to this length has a tick at every step, and none between
_DECADES = 6  # labels of a logarithmic axis


def step_axis(steps: Sequence[float]) -> dict[str, Any]:
    """Return the settings of an axis of steps: whole numbers also for a run of a few steps."""
    return {"dtick": 1, "tick0": 0} if steps and max(steps) - min(steps) <= _SHORT else {}


def share_axis() -> dict[str, Any]:
    """Return the settings of an axis of shares, in percent.

    plotly takes the first format whose range holds the distance of the ticks, which is 1, 2 or 5 times a power of ten: 1% and more
    needs no digits, 0.1% and more needs one.
    """
    ends = [0.99 * 10 ** -(digits + 2) for digits in range(_MOST_DIGITS)]  # below the power itself, for rounding
    stops = [
        {"dtickrange": [low, high], "value": f".{digits}%"}
        for digits, (low, high) in enumerate(zip([*ends, None], [None, *ends], strict=True))
    ]
    return {"rangemode": "tozero", "tickformatstops": stops}


def number_axis() -> dict[str, Any]:
    """Return the settings of an axis of numbers; plotly chooses digits by the distance of the ticks."""
    return {"exponentformat": "power"}


def log_axis(series: Sequence[Series]) -> dict[str, Any]:
    """Return the settings of a logarithmic axis that has labels at powers of ten only, two or more of them."""
    known = [value for values in series for value in values if value is not None and value > 0 and math.isfinite(value)]
    if not known:
        return {"type": "log", "exponentformat": "power", "dtick": 1}
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    high = max(high, low + 1)
    return {"type": "log", "exponentformat": "power", "dtick": max(1, -(-(high - low) // _DECADES)), "range": [low, high]}
