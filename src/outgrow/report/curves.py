"""Series of a run's metrics, as pure functions: smoothed, thinned, averaged over windows of steps."""

from collections.abc import Iterable, Sequence

import numpy as np

from ..core.row_table import Rows
from .visit_table import VisitTable

# Points of one drawn series. Longer runs are averaged down to it, so that a page of 10,000 steps is no larger than one of 1,000.
MAX_POINTS = 500

# Pass-rate buckets of the histogram, as `bucket` numbers them.
BUCKETS = ("0%", "to 25%", "to 50%", "to 75%", "below 100%", "100%")

Series = Sequence[float | None]


def figure_keys(rows: Rows) -> list[str]:
    """Return the names of all metrics in rows, in the order of their first use, without the step."""
    return [key for key in rows.keys if key != "step"]


def steps_of(rows: Rows) -> list[float]:
    """Return the step of each row."""
    return [step for step in rows.column("step") if step is not None]


def smoothing_width(steps: int) -> int:
    """Return the steps that a curve is averaged over: a twentieth, an odd number, 3 or more; 1 (no smoothing) for short runs."""
    return 1 if steps < 10 else max(3, steps // 20 | 1)


def smooth(values: Series, width: int) -> Series:
    """Return the centred moving mean over `width` steps, over fewer near the ends and around gaps; a gap stays a gap.

    >>> smooth([1.0, 3.0, None, 5.0], 3)
    [2.0, 2.0, None, 5.0]
    """
    half, count = width // 2, len(values)
    known = np.array([value is not None for value in values], dtype=bool)
    sums = np.concatenate([[0.0], np.cumsum([value or 0.0 for value in values])])
    counts = np.concatenate([[0], np.cumsum(known)])
    places = np.arange(count)
    first, last = np.maximum(places - half, 0), np.minimum(places + half + 1, count)
    means = (sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], 1)
    return [value if there else None for value, there in zip(means.tolist(), known.tolist(), strict=True)]


def thin(values: Series) -> Series:
    """Return MAX_POINTS values or fewer: means of neighbours (see `thinning`)."""
    size = thinning(len(values))
    return values if size == 1 else [mean(values[first : first + size]) for first in range(0, len(values), size)]


def thinning(length: int) -> int:
    """Return how many neighbours `thin` averages into one value."""
    return max(1, -(-length // MAX_POINTS))


def windows(steps: int, count: int) -> list[range]:
    """Return `count` windows or fewer that cover steps 1 to `steps`, equally wide except the last.

    >>> windows(5, 2)
    [range(1, 4), range(4, 6)]
    """
    width = max(1, -(-steps // count))
    return [range(first, min(first + width, steps + 1)) for first in range(1, steps + 1, width)]


def window_means(rows: Rows, key: str, spans: Iterable[range]) -> Series:
    """Return the mean of a metric in each window of steps, None where no step of it has the metric."""
    steps, values = rows.column("step"), rows.column(key)
    pairs = [(step, value) for step, value in zip(steps, values, strict=True) if step is not None and value is not None]
    return [mean([value for step, value in pairs if span.start <= step < span.stop]) for span in spans]


def bucket(right: int, n: int) -> int:
    """Return the index in BUCKETS of `right` of `n`: 0 none, then quarters (upper end included), 5 all.

    >>> [bucket(right, 8) for right in (0, 1, 2, 3, 7, 8)]
    [0, 1, 1, 2, 4, 5]
    """
    return 5 if right == n else -(-4 * right // n)


def visit_windows(visits: VisitTable, count: int) -> list[range]:
    """Return windows over the steps of these visits, with step 0 (a profile) as a window of its own before them."""
    last, profile = int(visits.step.max(initial=0)), bool((visits.step == 0).any())
    spans = windows(last, count) if last else []
    return [range(1), *spans] if profile else spans


def bucket_counts(visits: VisitTable, spans: Sequence[range]) -> list[list[int]]:
    """Return the number of visits in each bucket, for each window of steps."""
    buckets = np.where(visits.right == visits.n, 5, -(-4 * visits.right // visits.n))  # as `bucket`
    counts = []
    for span in spans:
        inside = (visits.step >= span.start) & (visits.step < span.stop)
        counts.append(np.bincount(buckets[inside], minlength=len(BUCKETS)).tolist())
    return counts


def mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are not None; None without any."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
