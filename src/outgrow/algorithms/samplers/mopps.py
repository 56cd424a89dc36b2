"""MoPPS (arXiv 2507.04632): Thompson sampling of problems that are solved half the time."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ...core.choose import top_k
from ...core.rng import numpy_rng
from ...ledger import ProblemStats
from .base import PickRequest, Sampler


class Mopps(Sampler):
    """The problems of a random pool, `pool` times as large as the pick, whose drawn pass rates are nearest to `target`.

    A pass rate is drawn from each problem's posterior, which the ledger decays by elapsed steps (the paper: by visits).
    """

    type: str = "mopps"
    pool: int = Field(default=8, ge=1, description="Size of the random pool, as a multiple of the problems in a step.")
    target: float = Field(default=0.5, gt=0, lt=1, description="The pass rate to aim at.")

    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        rng = numpy_rng(ask.seed, self.type, ask.step)
        pool = np.array(top_k(rng.random_sample(len(known)), ask.count * self.pool))
        drawn = rng.beta(*known.posterior(ask.step, pool))
        places: list[int] = pool[top_k(-np.abs(drawn - self.target), ask.count)].tolist()
        return places
