"""How places are chosen by weight or by rank."""

from collections.abc import Sequence

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_NEXT_TO_NOTHING = 1e-300  # in place of a weight of 0, so that these, too, come in random order


def top_k(keys_N: Floats, count: int) -> list[int]:
    """Return the places of the `count` highest keys, the highest first; all places where there are fewer."""
    if count == 0:
        return []
    first = max(0, len(keys_N) - count)
    places = np.argpartition(keys_N, first)[first:] if first else np.arange(len(keys_N))
    ranked: list[int] = places[np.argsort(-keys_N[places], kind="stable")].tolist()
    return ranked


def weighted_sample(weights_N: Floats, count: int, rng: RandomState) -> list[int]:
    """Return `count` places drawn without replacement, each with a chance ∝ its weight among those left.

    Weights must not be negative; a weight of 0 comes only when nothing else is left.
    """
    # Efraimidis & Spirakis (2006): the `count` largest of u^(1/w). The logarithm keeps small weights apart, and 1 − u is never 0.
    keys_N = rng.random_sample(len(weights_N))
    np.log1p(np.negative(keys_N, out=keys_N), out=keys_N)  # in place: a new buffer of a million costs as much as the logarithm
    keys_N /= np.maximum(weights_N, _NEXT_TO_NOTHING)
    return top_k(keys_N, count)


def stochastic_round(share: float, rng: RandomState) -> int:
    """Return a whole number whose mean is `share`."""
    return int(share + rng.random_sample())


def round_robin(groups_N: Sequence[int], rng: RandomState) -> list[int]:
    """Return all places in an order that takes the groups in turn: a random place of each group, then the next of each."""
    order = rng.permutation(len(groups_N))
    turn: dict[int, int] = {}
    keyed = []
    for place in order.tolist():
        group = int(groups_N[place])
        turn[group] = turn.get(group, -1) + 1
        keyed.append((turn[group], place))
    return [place for _, place in sorted(keyed, key=lambda pair: pair[0])]
