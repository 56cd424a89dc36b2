"""Which rewards of a group are kept: against all subsets, and what follows for answers that are right or wrong."""

from fractions import Fraction
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from outgrow.algorithms.max_variance import max_variance

INTEGERS = st.lists(st.integers(-4, 4), min_size=2, max_size=9)
FLOATS = st.lists(st.floats(-1e3, 1e3, allow_nan=False, width=32), min_size=2, max_size=9)


def variance(values):
    """Exact, without the formula that the code uses."""
    values = [Fraction(value) for value in values]
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values)


@meets(cut=50, ties=30)
@given(rewards=st.one_of(INTEGERS, FLOATS), data=st.data())
def test_no_subset_has_a_larger_variance(rewards, data):
    keep = data.draw(st.integers(2, len(rewards)))
    found = max_variance(rewards, keep)
    assert len(found) == keep == len(set(found)) and found == sorted(found)
    assert set(found) <= set(range(len(rewards)))
    best = max(variance(subset) for subset in combinations(rewards, keep))
    reached = variance([rewards[index] for index in found])
    if all(isinstance(reward, int) for reward in rewards):
        assert reached == best
    else:  # in float64
        assert float(best - reached) <= 1e-12 * max(abs(reward) for reward in rewards) ** 2
    if keep < len(rewards):
        met("cut")
    if len(set(rewards)) < len(rewards):
        met("ties")


@pytest.mark.parametrize("right", range(9))
def test_half_of_what_is_kept_is_right_where_the_group_has_as_many_of_both(right):
    rewards = [1.0] * right + [0.0] * (8 - right)
    kept = [rewards[index] for index in max_variance(rewards, 4)]
    assert sum(kept) == {0: 0, 1: 1, 7: 3, 8: 4}.get(right, 2)


def test_of_subsets_with_the_same_variance_the_one_with_more_high_rewards_is_kept():
    rewards = [1.0, 0.0, 0.0, 1.0]
    assert sorted(rewards[index] for index in max_variance(rewards, 3)) == [0, 1, 1]


def test_a_large_offset_does_not_hide_the_differences():
    rewards = [1e9 + value for value in (0.0, 0.25, 0.5, 1.0, 0.5)]
    assert max_variance(rewards, 2) == [0, 3]


def test_many_rollouts_are_sorted_once():
    """A group of 200,000, where looking at pairs would take hours."""
    rewards = [float(index * 7919 % 200_003) for index in range(200_000)]
    kept = {rewards[index] for index in max_variance(rewards, 1000)}
    order = sorted(rewards)
    assert kept == {*order[:500], *order[-500:]}
