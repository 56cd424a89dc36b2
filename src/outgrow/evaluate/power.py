"""How many problems, or training seeds, a comparison would need to show a change of a given size."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from .statistics import crossed

_TELLING = 5  # seeds; fewer say too little of how much others differ


@dataclass(frozen=True)
class Needed:
    """What a comparison would need."""

    problems: int | None
    """Problems at the same number of seeds; None where no number is enough."""
    seeds: int | None
    """Seeds on the same number of problems; None where no number is enough, or too few seeds show how much seeds differ."""


def needed(differences_SN: NDArray[np.float64], effect: float, power: float = 0.8) -> Needed:
    """Return what shows a change of `effect` at 5%, two-sided, in `power` of all cases, by the normal approximation.

    differences_SN: of S seeds on N problems, paired. The variance of their mean is σ²_seeds/S + σ²_problems/N + σ²_rest/SN, with
    the components that the mean squares say (Searle, Casella & McCulloch, Variance Components, 1992, chapter 4).
    """
    seeds, problems = differences_SN.shape
    allowed = (effect / float(ndtri(0.975) + ndtri(power))) ** 2
    if problems < 2:
        return Needed(None, None)
    if seeds < 2:
        return Needed(_count(float(differences_SN.var(ddof=1)), allowed), None)
    of = crossed(differences_SN)
    by_seed, by_problem = max(0.0, of.seeds - of.rest) / problems, max(0.0, of.problems - of.rest) / seeds
    return Needed(
        _count(by_problem + of.rest / seeds, allowed - by_seed / seeds),
        _count(by_seed + of.rest / problems, allowed - by_problem / problems) if seeds >= _TELLING else None,
    )


def _count(variance: float, allowed: float) -> int | None:
    """Return the smallest count at which variance / count is no more than `allowed`; None where there is none."""
    return max(2, math.ceil(variance / allowed)) if allowed > 0 else None
