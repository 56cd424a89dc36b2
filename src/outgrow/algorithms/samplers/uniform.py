"""Every problem once, in a shuffled order, then all again in another order."""

from collections.abc import Sequence

from ...core.choose import highest
from ...core.rng import numpy_random
from ...ledger import Known
from .base import Ask, Sampler


class Uniform(Sampler):
    """Those met least often, in random order: epochs without repetition."""

    type: str = "uniform"

    def pick(self, ask: Ask, known: Known) -> Sequence[int]:
        rng = numpy_random(ask.seed, self.type, ask.step)
        return highest(rng.random_sample(len(known)) - known.visits_N, ask.count)
