"""MoPPS (arXiv 2507.04632): Thompson sampling toward problems that are solved half the time."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ...core.choose import highest
from ...core.rng import numpy_random
from ...ledger import Known
from .base import Ask, Sampler


class Mopps(Sampler):
    """Out of a random pool, `pool` times as large as the pick, those whose drawn pass rates are nearest to `target`.

    A pass rate is drawn from each problem's posterior, which the ledger decays by elapsed steps (the paper: by visits).
    """

    type: str = "mopps"
    pool: int = Field(default=8, ge=1)
    target: float = Field(default=0.5, gt=0, lt=1)

    def pick(self, ask: Ask, known: Known) -> Sequence[int]:
        rng = numpy_random(ask.seed, self.type, ask.step)
        pool = np.array(highest(rng.random_sample(len(known)), ask.count * self.pool))
        drawn = rng.beta(*known.posterior(ask.step, pool))
        places: list[int] = pool[highest(-np.abs(drawn - self.target), ask.count)].tolist()
        return places
