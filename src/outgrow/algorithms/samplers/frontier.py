"""Our own sampler: problems likely to teach, a share that explores, and reviews of mastered ones at growing intervals."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...core.choose import round_robin, stochastic_round, top_k, weighted_sample
from ...core.rng import numpy_rng
from ...ledger import ProblemStats
from .base import PickRequest, Sampler
from .informative import mixed_chance

_SOME = 64


class Frontier(Sampler):
    """Three shares of a step's problems.

    - `review`: retired problems that are due. A problem retires when its last `retire_after` visits were all right. It is due
      `spacing` steps later, and after each review that is all right again twice as long; the first wrong answer brings it back.
    - `explore`: random problems of every field and level in turn.
    - the rest: by chance ∝ P(group is neither all right nor all wrong)^sharpness under each problem's posterior. Taking the
      highest ones would fill a whole step from one field and level.

    The weight of a retired problem counts `retired_weight` times. At 1 only its posterior decides, so that it comes back sooner
    the longer it was not seen; at 0 only reviews bring it back (docs/lab/forgetting.md).
    """

    type: str = "frontier"
    explore: float = Field(
        default=0.05, ge=0, le=1, description="Share of a step's problems drawn at random, evenly over fields and levels."
    )
    review: float = Field(default=0.02, ge=0, le=1, description="Share of a step's problems that are reviews of retired problems.")
    retired_weight: float = Field(
        default=1.0, ge=0, le=1, description="Factor on the weight of retired problems; at 0 they come back only as reviews."
    )
    retire_after: int = Field(default=2, ge=1, description="Visits in a row with all answers right after which a problem retires.")
    spacing: int = Field(default=10, ge=1, description="Steps from retirement to the first review; each passed review doubles it.")
    sharpness: float = Field(default=1.5, gt=0, description="Exponent of the chance that a group has both right and wrong answers.")

    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        rng = numpy_rng(ask.seed, self.type, ask.step)
        retired = np.flatnonzero(known.streak_N >= self.retire_after)
        overdue = self._overdue(ask.step, known, retired)
        due, reviewing = np.flatnonzero(overdue >= 0), stochastic_round(self.review * ask.count, rng)
        reviewed = retired[due[top_k(overdue[due], reviewing)]].tolist()

        weights_N = known.score(ask.step, lambda alpha, beta: mixed_chance(alpha, beta, ask.group_size) ** self.sharpness)
        weights_N *= self._factors(ask.step, known)
        exploring = stochastic_round(self.explore * ask.count, rng)
        # Enough random ones for nearly every field and level to be among them.
        some = np.unique(rng.randint(len(known), size=_SOME * exploring))
        some = some[weights_N[some] > 0]
        explored = some[round_robin(known.cell_N[some].tolist(), rng)[:exploring]].tolist()

        wanted = [*reviewed, *explored, *weighted_sample(weights_N, ask.count, rng)]
        return list(dict.fromkeys(wanted))[: ask.count]

    def _factors(self, step: int, known: ProblemStats) -> NDArray[np.float64]:
        """Return (N,), what each problem's chance to teach is multiplied by."""
        return np.where(known.streak_N >= self.retire_after, self.retired_weight, 1.0)

    def _overdue(self, step: int, known: ProblemStats, retired: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how long a review of each of these has been due, in intervals; below 0 where it is not due yet."""
        passed = known.streak_N[retired] - self.retire_after
        interval = self.spacing * np.exp2(np.minimum(passed, 30))
        overdue: NDArray[np.float64] = (step - known.step_N[retired] - interval) / interval
        return overdue
