"""Whether held-out problems got worse, judged from the right answers to each problem. Pure functions over counts."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

ERROR_RATE = 0.025
"""Chance that a run whose policy does not change is called worse at any of its looks: the lower tail of a 95% interval."""


@dataclass(frozen=True)
class Decline:
    """The change of the pass rate between the first look at held-out problems and a later look."""

    before: float
    after: float
    change: float
    """after − before, the mean over problems."""
    low: float
    high: float
    """The interval of the change, paired by problem."""
    level: float
    """Level of the interval: 0.95 for a single look, closer to 1 for one of several."""
    n: int
    """Problems."""
    k: int
    """Answers to each problem at each look."""
    worse: bool
    """Whether the change is a loss beyond chance."""


def number_of_looks(steps: int, every: int) -> int:
    """Return how many looks of a run are compared with its first one, which is taken before step 1 (`evaluate.every`).

    >>> number_of_looks(165, 25), number_of_looks(25, 25), number_of_looks(50, 0)
    (6, 0, 0)
    """
    return (steps - 1) // every if every else 0


def decline(before: Mapping[str, int], after: Mapping[str, int], k: int, looks: int) -> Decline:
    """Compare two looks at the same problems with k answers to each. before, after: problem id -> right answers, from 0 to k.

    A run that looks several times would find a loss by chance at some look. So each of its `looks` comparisons has the chance
    ERROR_RATE / looks to do so (Bonferroni), which bounds the chance of the whole run by ERROR_RATE. A look is worse where both

    - `sign_flip(differences)`, which is exact for any number of problems, is at most ERROR_RATE / looks, and
    - the t interval of the mean difference at the level 1 − 2 · ERROR_RATE / looks lies wholly below 0.

    Raises ValueError where the two looks are at different problems, or at none.
    """
    if before.keys() != after.keys() or not before:
        raise ValueError("the two looks are at different problems")
    differences = [after[problem] - before[problem] for problem in before]
    tail = ERROR_RATE / max(1, looks)
    low, high = t_interval([difference / k for difference in differences], tail)
    n = len(differences)
    first, second = sum(before.values()) / (n * k), sum(after.values()) / (n * k)
    worse = high < 0 and sign_flip(differences) <= tail
    return Decline(first, second, sum(differences) / (n * k), low, high, 1 - 2 * tail, n, k, worse)


def sign_flip(differences: Sequence[int]) -> float:
    """Return the exact chance of a sum this low, or lower, if the sign of each difference were that of a fair coin.

    Fisher's randomisation test (The Design of Experiments, 1935): two looks at an unchanged policy may be exchanged at every
    problem. With one answer to each problem it is the one-sided exact test of McNemar.

    >>> sign_flip([-1, -1, -1]), sign_flip([-2, 1]), sign_flip([0, 0])
    (0.125, 0.5, 1.0)
    """
    sizes = [abs(difference) for difference in differences if difference]
    # Chances of each sum of the sizes whose sign is negative.
    chances = np.zeros(sum(sizes) + 1)
    chances[0] = 1.0
    reached = 0
    for size in sizes:
        chances[size : reached + size + 1] += chances[: reached + 1].copy()
        chances[: reached + size + 1] /= 2
        reached += size
    return float(chances[sum(-difference for difference in differences if difference < 0) :].sum())


def t_interval(values: Sequence[float], tail: float) -> tuple[float, float]:
    """Return the two-sided t interval of the mean of these values, with the chance `tail` on each side, within −1 and 1."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return -1.0, 1.0
    half = float(stdtrit(len(array) - 1, 1 - tail)) * float(array.std(ddof=1)) / math.sqrt(len(array))
    return max(-1.0, float(array.mean()) - half), min(1.0, float(array.mean()) + half)
