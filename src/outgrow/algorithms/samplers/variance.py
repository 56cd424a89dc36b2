"""Mostly problems that are sometimes solved, seldom those that are always or never solved."""

from collections.abc import Sequence

from pydantic import Field

from ...core.choose import Floats, weighted_sample
from ...core.rng import numpy_rng
from ...ledger import ProblemStats
from .base import PickRequest, Sampler


class Variance(Sampler):
    """Chance ∝ p(1 − p) + floor, p the expected pass rate.

    p(1 − p) is the variance of one rollout's verdict, which bounds the signal a group can carry (SPEED, arXiv 2506.09016).
    With `floor`, problems that are always or never solved come up now and then too, so that their pass rates stay up to date.
    """

    type: str = "variance"
    floor: float = Field(default=0.02, gt=0, description="Weight that is added to every problem's p(1 − p).")

    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        return weighted_sample(self.chances(ask, known), ask.count, numpy_rng(ask.seed, self.type, ask.step))

    def chances(self, ask: PickRequest, known: ProblemStats) -> Floats:
        """Return the weight (N,) of each problem in the draw."""
        mean_N = known.mean(ask.step)
        chances_N: Floats = mean_N * (1 - mean_N) + self.floor
        return chances_N
