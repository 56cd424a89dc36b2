"""The idea that this project started from, taken literally: sample by pass rate, drop what reached 100%."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ...core.choose import weighted_sample
from ...core.rng import numpy_rng
from ...ledger import ProblemStats
from .base import PickRequest, Sampler


class Dropping(Sampler):
    """Chance ∝ the pass rate of the last visit + floor; never again after a visit that was all right.

    A problem never met has the rate of its field and level. Dropped problems come only where no others are left. A group that
    is all right does not show mastery, so this drops too much (docs/lab/curriculum.md): it is here for comparison.
    """

    type: str = "dropping"
    floor: float = Field(default=0.02, gt=0, description="Weight that is added to every pass rate.")

    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        rate_N = known.prior(ask.step)[known.cell_N]
        met = np.flatnonzero(known.n_N)
        rate_N[met] = known.right_N[met] / known.n_N[met]
        weights_N = np.where(rate_N == 1, 0.0, rate_N + self.floor)
        return weighted_sample(weights_N, ask.count, numpy_rng(ask.seed, self.type, ask.step))
