"""Lines of figures: a step and numbers, as in metrics.jsonl and timings.jsonl."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import OutgrowError, reason
from .files import read_lines

_LARGEST = 2**53


def read_figures(path: Path) -> list[dict[str, float]]:
    """Return the lines of a file; none where it does not exist.

    Raises OutgrowError where it cannot be read, or where a line is not a step and finite numbers.
    """
    try:
        rows = read_lines(path)
        for number, row in enumerate(rows, 1):
            if wrong := wrong_figure(row):
                raise ValueError(f"line {number}: {wrong}")
    except (OSError, ValueError) as error:
        raise OutgrowError(f"{path}: cannot be read ({reason(error)})") from error
    return rows


def wrong_figure(row: Mapping[str, Any]) -> str:
    """Return what in a line is not a figure; empty where all is.

    >>> wrong_figure({"step": 1, "loss": 0.5}), wrong_figure({"step": 1, "loss": "low"})
    ('', "loss is not a finite number: 'low'")
    """
    step = row.get("step")
    if type(step) is not int or not 0 <= step < _LARGEST:
        return f"step is not a whole number: {step!r:.60}"
    for name, value in row.items():
        if not ((type(value) is int and abs(value) < _LARGEST) or (type(value) is float and math.isfinite(value))):
            return f"{name[:60]} is not a finite number: {value!r:.60}"
    return ""
