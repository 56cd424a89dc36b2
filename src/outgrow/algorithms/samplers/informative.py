"""The problems whose groups are most likely to hold both right and wrong answers."""

from collections.abc import Sequence

import numpy as np

from ...core.choose import Floats, top_k
from ...core.rng import numpy_rng
from ...ledger import ProblemStats
from .base import PickRequest, Sampler


class LikelyInformative(Sampler):
    """The highest chance, under each problem's posterior, that a group is neither all right nor all wrong; ties at random."""

    type: str = "informative"

    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        chance_N = known.score(ask.step, lambda alpha, beta: mixed_chance(alpha, beta, ask.group_size))
        jitter_N = numpy_rng(ask.seed, self.type, ask.step).random_sample(len(known))
        return top_k(chance_N + 1e-9 * jitter_N, ask.count)


def mixed_chance(alpha_N: Floats, beta_N: Floats, group_size: int) -> Floats:
    """Return the chance (N,) that a group is neither all right nor all wrong, for pass rates that are Beta(α, β).

    It is 1 − B(α + n, β)/B(α, β) − B(α, β + n)/B(α, β) for groups of n, computed by the products that these ratios equal.
    """
    total_N = alpha_N + beta_N
    all_right_N, all_wrong_N = np.ones_like(total_N), np.ones_like(total_N)
    for drawn in range(group_size):
        all_right_N *= (alpha_N + drawn) / (total_N + drawn)
        all_wrong_N *= (beta_N + drawn) / (total_N + drawn)
    chance: Floats = 1 - all_right_N - all_wrong_N
    return chance
