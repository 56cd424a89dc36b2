"""GRPO, Dr. GRPO and RLOO: numbers worked by hand, and what each must not depend on."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from outgrow.advantages import ADVANTAGES
from outgrow.advantages.dr_grpo import DrGRPO
from outgrow.advantages.grpo import GRPO
from outgrow.advantages.rloo import RLOO

ALL = [kind() for kind in ADVANTAGES.values()]


def weigh(advantage, *groups):
    return advantage.weigh(torch.tensor(groups, dtype=torch.float64)).tolist()


def test_one_right_of_four():
    # mean 1/4; squared distances 9/16 + 3/16 = 3/4 over n − 1 = 3: standard deviation 1/2
    assert weigh(GRPO(epsilon=0), [1, 0, 0, 0]) == [[1.5, -0.5, -0.5, -0.5]]
    assert weigh(GRPO(epsilon=0.25), [1, 0, 0, 0]) == [[1, -1 / 3, -1 / 3, -1 / 3]]
    assert weigh(DrGRPO(), [1, 0, 0, 0]) == [[0.75, -0.25, -0.25, -0.25]]
    assert weigh(RLOO(), [1, 0, 0, 0])[0] == pytest.approx([1, -1 / 3, -1 / 3, -1 / 3])


def test_unequal_rewards():
    # mean 3, deviations −3 −1 4, squares 9 + 1 + 16 = 26 over 2: standard deviation √13
    root = math.sqrt(13)
    assert weigh(GRPO(epsilon=0), [0, 2, 7])[0] == pytest.approx([-3 / root, -1 / root, 4 / root])
    assert weigh(DrGRPO(), [0, 2, 7]) == [[-3, -1, 4]]
    assert weigh(RLOO(), [0, 2, 7]) == [[-4.5, -1.5, 6]]


@pytest.mark.parametrize("right", range(1, 8))
def test_grpo_of_verdicts_is_the_surprise(right):
    """A(right) = √((1 − p)/p) with the population's deviation; Bessel's correction takes √((n − 1)/n) of it."""
    p, n = right / 8, 8
    row = weigh(GRPO(epsilon=0), [1] * right + [0] * (n - right))[0]
    assert row[0] == pytest.approx(math.sqrt((1 - p) / p) * math.sqrt((n - 1) / n))
    assert row[-1] == pytest.approx(-math.sqrt(p / (1 - p)) * math.sqrt((n - 1) / n))


def test_grpo_makes_a_full_signal_of_a_trivial_length_gap():
    """The pitfall of the field notes: an all-right group of lengths 400 … 406 under the experiment's length reward."""
    row = weigh(GRPO(), [1 - i / 6 for i in range(7)])[0]
    assert row[0] == pytest.approx(1.39, abs=0.005)
    assert row[-1] == pytest.approx(-1.39, abs=0.005)


@pytest.mark.parametrize("advantage", ALL, ids=lambda a: a.type)
def test_equal_rewards_teach_nothing(advantage):
    rewards = torch.tensor([[0.0] * 5, [1.0] * 5, [0.1] * 5, [-3.7] * 5])
    assert advantage.weigh(rewards).abs().max() < 1e-2  # float32 rounding, seen through GRPO's division by its epsilon
    assert advantage.weigh(rewards.double()).abs().max() < 1e-9


@pytest.mark.parametrize("advantage", ALL, ids=lambda a: a.type)
def test_groups_do_not_see_each_other(advantage):
    first, second = [0.0, 1.0, 0.5], [10.0, 3.0, 4.0]
    assert weigh(advantage, first, second) == [weigh(advantage, first)[0], weigh(advantage, second)[0]]


rows = st.lists(st.integers(-100, 100).map(lambda value: value / 10), min_size=2, max_size=9)


@given(row=rows)
def test_against_a_second_implementation(row):
    n, mean = len(row), statistics.fmean(row)
    deviation = statistics.stdev(row)
    assert weigh(GRPO(), row)[0] == pytest.approx([(r - mean) / (deviation + 1e-4) for r in row])
    assert weigh(DrGRPO(), row)[0] == pytest.approx([r - mean for r in row])
    others = [r - statistics.fmean(row[:i] + row[i + 1 :]) for i, r in enumerate(row)]
    assert weigh(RLOO(), row)[0] == pytest.approx(others)
    assert weigh(RLOO(), row)[0] == pytest.approx([n / (n - 1) * (r - mean) for r in row])


@given(row=rows, scale=st.floats(0.1, 100), shift=st.floats(-100, 100))
def test_a_bonus_that_depends_on_the_problem_alone_is_cancelled(row, scale, shift):
    """GRPO: r → c·r + b changes nothing. A mean baseline: b cancels and c survives."""
    moved = [scale * r + shift for r in row]
    if len(set(row)) > 1:
        assert weigh(GRPO(epsilon=0), moved)[0] == pytest.approx(weigh(GRPO(epsilon=0), row)[0], abs=1e-6)
        assert weigh(GRPO(), moved)[0] == pytest.approx(weigh(GRPO(), row)[0], abs=0.05)
    for advantage in (DrGRPO(), RLOO()):
        assert weigh(advantage, moved)[0] == pytest.approx([scale * a for a in weigh(advantage, row)[0]], abs=1e-6)


@given(row=rows)
def test_advantages_of_a_group_sum_to_nothing(row):
    for advantage in ALL:
        assert sum(weigh(advantage, row)[0]) == pytest.approx(0, abs=1e-6)
