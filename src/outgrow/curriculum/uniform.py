"""Every problem once, in a shuffled order, then all again in another order."""

from collections.abc import Sequence

from ..keyed import numpy_random
from .draws import highest
from .known import Known
from .sampler import Ask, Sampler


class Uniform(Sampler):
    """Those met least often, in random order: epochs without repetition."""

    type: str = "uniform"

    def pick(self, ask: Ask, known: Known) -> Sequence[int]:
        rng = numpy_random(ask.seed, self.type, ask.step)
        return highest(rng.random_sample(len(known)) - known.visits_N, ask.count)
