"""What is watched of a judge at every step: its scores beside the checker's verdicts, as pure functions over rollouts."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

TOP = 0.1  # share of the best-scored rollouts that precision is asked of


def score_metrics(scores: Sequence[float], right: Sequence[bool]) -> dict[str, float]:
    """Of one step's rollouts: mean score, of all, of the right ones and of the others; how well scores tell these two apart; and
    the precision of the best-scored tenth. What a step without right or without wrong rollouts cannot say is left out."""
    found = {"judge/score": _mean(scores), "judge/top": top_precision(scores, right), "judge/top_n": _top_n(len(scores))}
    good = [score for score, one in zip(scores, right, strict=True) if one]
    bad = [score for score, one in zip(scores, right, strict=True) if not one]
    found |= {"judge/right": _mean(good)} if good else {}
    found |= {"judge/wrong": _mean(bad)} if bad else {}
    return found | ({"judge/auc": auc(good, bad)} if good and bad else {})


def auc(good: Sequence[float], bad: Sequence[float]) -> float:
    """The chance that one of `good` scores above one of `bad`, ties counting half (Mann and Whitney 1947).

    >>> auc([0.9, 0.5], [0.5, 0.1])
    0.875
    """
    ranks = rankdata([*good, *bad])[: len(good)].sum()
    return float((ranks - len(good) * (len(good) + 1) / 2) / (len(good) * len(bad)))


def top_precision(scores: Sequence[float], right: Sequence[bool]) -> float:
    """Share right of the best-scored tenth, rounded up; of those that tie at its border, as many as there is room for, on average.

    >>> top_precision([1.0, 1.0, 0.2], [True, False, True])
    0.5
    """
    n = _top_n(len(scores))
    border = sorted(scores, reverse=True)[n - 1]
    above = [one for score, one in zip(scores, right, strict=True) if score > border]
    tied = [one for score, one in zip(scores, right, strict=True) if score == border]
    return (sum(above) + (n - len(above)) * _mean(tied)) / n


def _top_n(rollouts: int) -> int:
    return max(1, math.ceil(TOP * rollouts))


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return float(np.mean(values))
