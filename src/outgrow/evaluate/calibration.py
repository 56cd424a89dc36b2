"""How good the ledger's estimates are: against fresh samples of the policy that it followed, by how stale they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Steps since the last visit, at most; a problem never visited is of a kind of its own.
STALENESS = (10, 40)


@dataclass(frozen=True)
class Calibration:
    """Of the problems of one staleness. brier: mean square of estimate − fresh pass rate; _last: of the last visit's rate in its
    place; _level: of its level's. rank_correlation: Spearman's; None where all are equal."""

    staleness: str
    n: int
    brier: float
    brier_last: float | None
    brier_level: float
    rank_correlation: float | None


def brier(estimates: Floats, rates: Floats) -> float:
    """Mean squared difference."""
    return float(np.mean((estimates - rates) ** 2))


def spearman(one: Floats, other: Floats) -> float | None:
    """Rank correlation, ties at their mean rank; None where one side is all ties."""
    ranks = _ranks(one), _ranks(other)
    if min(rank.std() for rank in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def staleness_of(elapsed: int | None) -> str:
    """The name of a staleness.

    >>> [staleness_of(elapsed) for elapsed in (0, 10, 11, 41, None)]
    ['at most 10 steps ago', 'at most 10 steps ago', 'at most 40 steps ago', 'earlier', 'never']
    """
    if elapsed is None:
        return "never"
    return next((f"at most {steps} steps ago" for steps in STALENESS if elapsed <= steps), "earlier")
