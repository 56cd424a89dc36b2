"""Estimates with their uncertainty, as pure functions over numbers."""

import math
from collections.abc import Sequence

import numpy as np

from ..keyed import seed_from

_RESAMPLES = 2000


def pass_at_k(n: int, right: int, k: int) -> float:
    """Unbiased chance that at least one of k samples is right, from `right` of n (Codex, arXiv 2107.03374, equation 1).

    >>> pass_at_k(4, 2, 2) == 1 - 1 / 6
    True

    Raises ValueError where k > n.
    """
    if k > n:
        raise ValueError(f"pass@{k} needs at least {k} samples, not {n}")
    return 1.0 - math.comb(n - right, k) / math.comb(n, k)


def bootstrap_ci95(values: Sequence[float]) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean of `values`, one value a problem (problems are what is resampled).

    Pass paired differences for a paired comparison. The same values give the same interval.
    """
    array = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed_from("bootstrap", len(array)))
    means = array[rng.integers(0, len(array), size=(_RESAMPLES, len(array)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
