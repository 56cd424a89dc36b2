"""How strongly a token is coloured by a number of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LOWEST, _HIGHEST = 5, 95
"""Percentiles of the values at which colour begins and is full: a single outlier would leave all others without."""


@dataclass(frozen=True)
class Scale:
    """Values between which colour grows."""

    low: float
    """No colour here and below."""
    high: float
    """Full colour here and above."""

    def strength(self, value: float) -> int:
        """Return the strength of the colour, from 0 to 100.

        >>> [Scale(1.0, 3.0).strength(value) for value in (0.0, 2.0, 9.0)]
        [0, 50, 100]
        """
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return round(100 * min(1.0, max(0.0, share)))


def spread(values: Sequence[float]) -> Scale:
    """Return a scale from the 5th to the 95th percentile of the values.

    >>> spread([0.0, 1.0, 2.0])
    Scale(low=0.1, high=1.9)
    """
    low, high = np.percentile(values, [_LOWEST, _HIGHEST]) if len(values) else (0.0, 0.0)
    return Scale(round(float(low), 9), round(float(high), 9))


def around_zero(values: Sequence[float]) -> Scale:
    """Return a scale for the size of values of both signs, from 0 to the largest.

    >>> around_zero([-2.0, 1.0])
    Scale(low=0.0, high=2.0)
    """
    return Scale(0.0, max(map(abs, values), default=0.0))
