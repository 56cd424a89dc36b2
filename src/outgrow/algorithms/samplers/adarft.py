"""AdaRFT (arXiv 2504.05520): a target difficulty that rises while the policy succeeds and falls while it fails."""

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ...core.choose import top_k
from ...core.rng import numpy_rng
from ...ledger import ProblemStats, StepTotals
from .base import PickRequest, Sampler


class AdaRFT(Sampler):
    """The problems whose difficulty, 1 − expected pass rate, is nearest to the target T.

    After each step T ← clip(T + η·tanh(α(R̄ − β)), 0, 1), with R̄ the mean pass rate of the step; T starts at 0, the easiest. The
    paper's difficulties go to 100, so its η = 50 is 0.5 here.
    """

    type: str = "adarft"
    rate: float = Field(default=0.5, gt=0, description="η, the largest change of the target difficulty in a step.")
    sharpness: float = Field(
        default=2.0, gt=0, description="α, how fast the change grows with the distance from the target pass rate."
    )
    target: float = Field(default=0.5, gt=0, lt=1, description="β, the pass rate to aim at.")

    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        difficulty = known.steps.fold((self.type, self.rate, self.sharpness, self.target), 0.0, self._moved, ask.step)
        distance_N = np.abs(1 - known.mean(ask.step) - difficulty)
        jitter_N = numpy_rng(ask.seed, self.type, ask.step).random_sample(len(known))
        return top_k(1e-9 * jitter_N - distance_N, ask.count)

    def _moved(self, difficulty: float, totals: StepTotals) -> float:
        """Return T after a step, from T before it."""
        change = self.rate * math.tanh(self.sharpness * (totals.right / totals.n - self.target))
        return min(1.0, max(0.0, difficulty + change))
