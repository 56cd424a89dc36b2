"""The judge's metrics of a step: its scores against the checker's verdicts, as pure functions over rollouts."""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

TOP = 0.1  # share of the rollouts that counts as best-scored


def score_metrics(scores: Sequence[float], right: Sequence[bool]) -> dict[str, float]:
    """Return the metrics of one step's rollouts: mean scores of all, right and wrong ones, AUC, precision of the best-scored tenth.

    Metrics that need right or wrong rollouts are missing where a step has none.
    """
    metrics = {"judge/score": _mean(scores), "judge/top": top_precision(scores, right), "judge/top_n": _top_n(len(scores))}
    good = [score for score, is_right in zip(scores, right, strict=True) if is_right]
    bad = [score for score, is_right in zip(scores, right, strict=True) if not is_right]
    metrics |= {"judge/right": _mean(good)} if good else {}
    metrics |= {"judge/wrong": _mean(bad)} if bad else {}
    return metrics | ({"judge/auc": auc(good, bad)} if good and bad else {})


def auc(good: Sequence[float], bad: Sequence[float]) -> float:
    """Return the chance that one of `good` scores above one of `bad`, ties counting half (Mann and Whitney 1947).

    >>> auc([0.9, 0.5], [0.5, 0.1])
    0.875
    """
    ranks = rankdata([*good, *bad])[: len(good)].sum()
    return float((ranks - len(good) * (len(good) + 1) / 2) / (len(good) * len(bad)))


def top_precision(scores: Sequence[float], right: Sequence[bool]) -> float:
    """Return the share of right rollouts in the best-scored tenth, rounded up; ties at its border count by their mean.

    >>> top_precision([1.0, 1.0, 0.2], [True, False, True])
    0.5
    """
    n = _top_n(len(scores))
    border = sorted(scores, reverse=True)[n - 1]
    above = [is_right for score, is_right in zip(scores, right, strict=True) if score > border]
    tied = [is_right for score, is_right in zip(scores, right, strict=True) if score == border]
    return (sum(above) + (n - len(above)) * _mean(tied)) / n


def _top_n(rollouts: int) -> int:
    return max(1, math.ceil(TOP * rollouts))


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return float(np.mean(values))
