"""Lines of figures: a step and numbers, as in metrics.jsonl and timings.jsonl."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from .errors import OutgrowError, reason
from .files import open_regular
from .json_lines import lines_backwards

_LARGEST = 2**53
_AT_ONCE = 500  # lines parsed in one call


def parsed_figures(lines: Sequence[bytes]) -> Iterator[dict[str, float]]:
    """Yield what each JSON line holds. Many lines are read in one call, which takes a third of the time.

    Raises ValueError where a line is not a step and finite numbers.
    """
    for first in range(0, len(lines), _AT_ONCE):
        part = lines[first : first + _AT_ONCE]
        try:
            rows = json.loads(b"[" + b",".join(part) + b"]")
        except RecursionError as error:
            raise ValueError("nested too deep") from error
        if len(rows) != len(part):
            raise ValueError("a line holds more than one value, or none")
        for row in rows:
            if not isinstance(row, dict):
                raise ValueError(f"not a row of figures: {row!r:.60}")
            if wrong := wrong_figure(row):
                raise ValueError(wrong)
            yield row


def figures_backwards(path: Path) -> Iterator[dict[str, float]]:
    """Yield all whole lines, the last one first, read from the end; none where there is no file.

    Raises OutgrowError where the file cannot be read.
    """
    with _explained(path):
        for _, line in lines_backwards(path):
            yield from parsed_figures([line])


def each_figures(path: Path) -> Iterator[dict[str, float]]:
    """Yield all whole lines, a few hundred in memory at a time; none where there is no file.

    Raises OutgrowError where the file cannot be read.
    """
    if path.exists():
        with _explained(path), open_regular(path) as file:
            for lines in iter(lambda: list(islice(file, _AT_ONCE)), []):
                yield from parsed_figures(lines if lines[-1].endswith(b"\n") else lines[:-1])


def last_figures(path: Path) -> dict[str, float] | None:
    """Return the last whole line; None where there is none. Raises OutgrowError where it cannot be read."""
    return next(figures_backwards(path), None)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise OutgrowError(f"{path}: cannot be read ({reason(error)})") from error


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
