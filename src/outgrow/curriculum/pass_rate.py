"""Sample by pass rate: mostly problems that are sometimes solved, seldom those that always or never are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..keyed import numpy_random
from .known import Known
from .sampler import Sampler

Floats = NDArray[np.float64]


class PassRate(Sampler):
    """Chance ∝ p(1 − p) + floor, p the pass rate at the problem's last visit.

    A problem never met is taken to be as hard as its field and level have been so far (1/2 before anything is known).
    p(1 − p) is the variance of one rollout's verdict, which bounds the signal a group can carry (SPEED, arXiv 2506.09016).
    floor keeps mastered and hopeless problems coming up now and then, so their pass rates do not go stale for ever.
    """

    type: str = "pass_rate"
    floor: float = Field(default=0.02, gt=0)

    def pick(self, step: int, count: int, known: Known, seed: int) -> Sequence[int]:
        # Efraimidis & Spirakis (2006): the `count` largest of u^(1/w) are a weighted draw without replacement. The logarithm
        # keeps small weights apart, and 1 − u is never 0.
        uniform_N = numpy_random(seed, "pass_rate", step).random_sample(len(known))
        keys_N = np.log1p(-uniform_N, out=uniform_N)
        keys_N /= self.chances(known)
        first = max(0, len(known) - count)
        largest = np.argpartition(keys_N, first)[first:] if first else np.arange(len(known))
        places: list[int] = largest[np.argsort(-keys_N[largest])].tolist()
        return places

    def chances(self, known: Known) -> Floats:
        """(N,), each problem's weight in the draw."""
        met = np.flatnonzero(known.n_N)
        n_M, right_M, cell_M = known.n_N[met], known.right_N[met], known.cell_N[met]
        cells = known.cell_N.max() + 1
        # One rollout of each kind to begin with.
        rate_C = (1 + np.bincount(cell_M, right_M, cells)) / (2 + np.bincount(cell_M, n_M, cells))
        chances_N = self._chance(rate_C)[known.cell_N]
        chances_N[met] = self._chance(right_M / n_M)
        return chances_N

    def _chance(self, rate: Floats) -> Floats:
        chance: Floats = rate * (1 - rate) + self.floor
        return chance
