"""Which rollouts of a group teach the most: those whose rewards vary the most (PODS, arXiv 2504.13818, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def max_variance(rewards: Sequence[float], keep: int) -> list[int]:
    """Return the indices, in rising order, of the `keep` rewards whose variance is largest; O(n log n).

    The best subset always consists of the i lowest and the `keep` − i highest rewards (theorem 1), so sums over the sorted rewards
    find it. Of subsets with the same variance, the one with more high rewards is taken. Which of equal rewards are taken follows
    from their places only: rollouts of a group are exchangeable.

    Advantages are computed of the kept rewards only: mean and standard deviation are those of the subset, as in the paper's GRPO
    with PODS.

    >>> max_variance([0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0], 4)
    [0, 5, 6, 7]
    """
    order = sorted(range(len(rewards)), key=lambda index: rewards[index])
    middle = (rewards[order[0]] + rewards[order[-1]]) / 2  # sums of squares around it do not cancel
    values = [rewards[index] - middle for index in order]
    sums, squares = [0.0, *accumulate(values)], [0.0, *accumulate(value * value for value in values)]

    def spread(low: int) -> float:
        """Return `keep`² times the variance of the `low` lowest and the `keep` − `low` highest."""
        high = len(values) - (keep - low)
        total = sums[low] + sums[-1] - sums[high]
        return keep * (squares[low] + squares[-1] - squares[high]) - total * total

    low = max(range(keep + 1), key=spread)  # the first of equal ones
    return sorted(order[:low] + order[len(order) - (keep - low) :])
