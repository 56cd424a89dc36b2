"""How good the ledger's estimates are: against fresh samples of the policy that it followed, by how stale they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Limits of steps since the last visit; a problem that was never visited has a class of its own.
STALENESS = (10, 40)


@dataclass(frozen=True)
class Calibration:
    """How good the estimates are for the problems of one staleness."""

    staleness: str
    """How long ago they were visited (see `staleness_of`)."""
    n: int
    """Problems."""
    brier: float
    """Mean square of estimate − fresh pass rate."""
    brier_last: float | None
    """The same with the last visit's rate as the estimate; None where some were never visited."""
    brier_level: float
    """The same with the rate of the problem's field and level as the estimate."""
    rank_correlation: float | None
    """Spearman's, of estimates and fresh pass rates; None where all of one side are equal."""


def brier(estimates: Floats, rates: Floats) -> float:
    """Return the mean squared difference."""
    return float(np.mean((estimates - rates) ** 2))


def spearman(first: Floats, second: Floats) -> float | None:
    """Return the rank correlation, ties at their mean rank; None where one side is all ties."""
    ranks = _ranks(first), _ranks(second)
    if min(rank.std() for rank in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def staleness_of(elapsed: int | None) -> str:
    """Return the name of a staleness. elapsed: steps since the last visit; None where there was none.

    >>> [staleness_of(elapsed) for elapsed in (0, 10, 11, 41, None)]
    ['at most 10 steps ago', 'at most 10 steps ago', 'at most 40 steps ago', 'earlier', 'never']
    """
    if elapsed is None:
        return "never"
    return next((f"at most {steps} steps ago" for steps in STALENESS if elapsed <= steps), "earlier")
