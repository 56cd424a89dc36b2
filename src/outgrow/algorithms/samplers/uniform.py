"""Every problem once, in a shuffled order, then all again in another order."""

from collections.abc import Sequence

from ...core.choose import top_k
from ...core.rng import numpy_rng
from ...ledger import ProblemStats
from .base import PickRequest, Sampler


class Uniform(Sampler):
    """The problems met least often, in random order: epochs without repetition."""

    type: str = "uniform"

    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        rng = numpy_rng(ask.seed, self.type, ask.step)
        return top_k(rng.random_sample(len(known)) - known.visits_N, ask.count)
