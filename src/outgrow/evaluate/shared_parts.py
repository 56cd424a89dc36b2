"""The interval of a mean over chains, some of which have a part in common."""

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace

from ..core.estimate import Estimate
from .statistics import mean_estimate


def mean_over_chains(values: Mapping[str, float], parts: Mapping[str, Collection[str]], least: float = 0.0) -> Estimate | None:
    """Return the mean of these values, with its interval over problems; None where there is no value.

    values: problem -> value. parts: chain -> ids of its parts; a problem that is no chain is its own part. least: the
    smallest that a value can be, 0 of shares and -1 of differences.

    The bootstrap takes problems as independent. Where some share a part, its interval is widened by √(V / V₀), as seen from the
    mean, and never narrowed: V is the sum of the products of deviations over all pairs that share a part, each with itself among
    them, V₀ that of each with itself (Aronow, Samii & Assenova, Political Analysis 23, 2015). What all of them share cannot be
    seen in their differences, and is not in the interval.

    >>> values = {"a>c": 0.0, "a>d": 0.0, "b>e": 1.0, "b>f": 1.0}
    >>> alone, shared = (mean_over_chains(values, parts) for parts in ({}, {chain: chain.split(">") for chain in values}))
    >>> round((shared.high - shared.value) / (alone.high - alone.value), 3)  # as 2 values would have it, and not 4
    1.414
    """
    estimate = mean_estimate([*values.values()], least)
    if estimate is None:
        return None
    wider = _wider(values, estimate.value, parts)
    low, high = (estimate.value + wider * (end - estimate.value) for end in (estimate.low, estimate.high))
    return replace(estimate, low=low, high=high) if wider > 1 else estimate


def _wider(values: Mapping[str, float], mean: float, parts: Mapping[str, Collection[str]]) -> float:
    off = {problem: value - mean for problem, value in values.items()}
    sharing: dict[str, list[str]] = defaultdict(list)
    for problem in values:
        for part in set(parts.get(problem, (problem,))):
            sharing[part].append(problem)
    alone = together = 0.0
    for problem, deviation in off.items():
        others = {other for part in parts.get(problem, (problem,)) for other in sharing[part]}
        alone += deviation * deviation
        together += deviation * math.fsum(off[other] for other in others)
    return math.sqrt(max(1.0, together / alone)) if alone else 1.0
