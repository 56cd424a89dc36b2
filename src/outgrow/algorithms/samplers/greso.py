"""GRESO (arXiv 2506.02177): a problem whose last groups taught nothing is skipped, more often the more of them there were."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from ...core.choose import weighted_sample
from ...core.rng import numpy_rng
from ...ledger import ProblemStats, StepTotals
from .base import PickRequest, Sampler

_CHANGE = 0.01  # of the chance a step
_LEAST = 0.01  # smallest chance


class Greso(Sampler):
    """A problem whose last c visits were all right, or all wrong, is kept with chance max(p^c, 0.01), and skipped otherwise.

    p starts at `keep`, falls by 0.01 after a step with more than `target` of its groups all right or all wrong, and rises by
    0.01 after any other step. The paper thins a pass over all problems by these chances; here they weigh one draw a step: the
    shares are the same, and there is no place in a pass to keep.
    """

    type: str = "greso"
    keep: float = Field(
        default=0.5, gt=0, le=1, description="Initial chance to keep a problem after one visit that was all right or all wrong."
    )
    target: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Share of groups that are all right or all wrong; above it the chance falls, below it the chance rises.",
    )

    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        keep = known.steps.fold((self.type, self.keep, self.target), self.keep, self._moved, ask.step)
        weights_N = np.maximum(keep ** np.abs(known.streak_N.astype(np.float64)), _LEAST)
        return weighted_sample(weights_N, ask.count, numpy_rng(ask.seed, self.type, ask.step))

    def _moved(self, keep: float, totals: StepTotals) -> float:
        """Return p after a step, from p before it."""
        fell = 1 - totals.mixed / totals.groups > self.target
        return min(1.0, max(_LEAST, keep - _CHANGE if fell else keep + _CHANGE))
