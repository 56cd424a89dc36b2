"""GRPO, Dr. GRPO and RLOO: numbers worked by hand, and what each must not depend on."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from outgrow.algorithms.advantages import ADVANTAGES
from outgrow.algorithms.advantages.difficulty import Difficulty
from outgrow.algorithms.advantages.dr_grpo import DrGRPO
from outgrow.algorithms.advantages.grpo import GRPO
from outgrow.algorithms.advantages.rloo import RLOO
from outgrow.algorithms.advantages.rpe import RewardPredictionError
from outgrow.algorithms.rewards import compose
from outgrow.algorithms.rewards.accuracy import Accuracy
from outgrow.algorithms.rewards.level_bonus import LevelBonus
from outgrow.types import Graded, GradedGroup, Problem, Rollout, ValueBaseline, Verdict

# Those that look at a group by itself.
ALL = [kind() for name, kind in ADVANTAGES.items() if name in ("grpo", "dr_grpo", "rloo")]


def weigh(advantage, *groups, expected=None):
    return advantage.compute(torch.tensor(groups, dtype=torch.float64), expected or [ValueBaseline()] * len(groups)).tolist()


def values(*pairs):
    return [ValueBaseline(problem=problem, level=level) for problem, level in pairs]


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
    expected = [ValueBaseline()] * 4
    assert advantage.compute(rewards, expected).abs().max() < 1e-2  # float32 rounding, through GRPO's division by its epsilon
    assert advantage.compute(rewards.double(), expected).abs().max() < 1e-9


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


@meets(mixed=40)
@given(row=rows, scale=st.floats(0.1, 100), shift=st.floats(-100, 100))
def test_a_bonus_that_depends_on_the_problem_alone_is_cancelled(row, scale, shift):
    """GRPO: r → c·r + b changes nothing. A mean baseline: b cancels and c survives."""
    moved = [scale * r + shift for r in row]
    if len(set(row)) > 1:
        met("mixed")
        assert weigh(GRPO(epsilon=0), moved)[0] == pytest.approx(weigh(GRPO(epsilon=0), row)[0], abs=1e-6)
        assert weigh(GRPO(), moved)[0] == pytest.approx(weigh(GRPO(), row)[0], abs=0.05)
    for advantage in (DrGRPO(), RLOO()):
        assert weigh(advantage, moved)[0] == pytest.approx([scale * a for a in weigh(advantage, row)[0]], abs=1e-6)


@given(row=rows)
def test_advantages_of_a_group_sum_to_nothing(row):
    for advantage in ALL:
        assert sum(weigh(advantage, row)[0]) == pytest.approx(0, abs=1e-6)


def test_reward_prediction_error_by_hand():
    """V = 0.25 · 0.8 + 0.75 · 0.4 = 0.5, and 0; δ = ½ −½ and 1 0, squares ¼ ¼ 1 0 with mean 3/8."""
    rows = weigh(RewardPredictionError(kappa=0.25, epsilon=0), [1, 0], [1, 0], expected=values((0.8, 0.4), (0, 0)))
    scale = math.sqrt(3 / 8)
    assert rows[0] == pytest.approx([0.5 / scale, -0.5 / scale])
    assert rows[1] == pytest.approx([1 / scale, 0])


def test_a_group_below_its_value_throughout_is_capped_and_others_are_not():
    """V = 1 everywhere: δ = −1 −1 is held at −0.3 −0.3; 0 −1 is left. Squares 0.09 0.09 0 1 with mean 0.295."""
    rows = weigh(RewardPredictionError(cap=0.3, epsilon=0), [0, 0], [1, 0], expected=values((1, 1), (1, 1)))
    scale = math.sqrt(0.295)
    assert rows[0] == pytest.approx([-0.3 / scale] * 2)
    assert rows[1] == pytest.approx([0, -1 / scale])


@meets(pays=200, costs=150)
@given(
    rights=st.lists(st.lists(st.integers(0, 1), min_size=4, max_size=4), min_size=1, max_size=6),
    level=st.lists(st.floats(0, 1), min_size=6, max_size=6),
)
def test_right_never_costs_and_wrong_never_pays(rights, level):
    rows = weigh(RewardPredictionError(), *rights, expected=values(*((value, value) for value in level[: len(rights)])))
    for right, row in zip(rights, rows, strict=True):
        assert all(weight >= 0 if good else weight <= 0 for good, weight in zip(right, row, strict=True))
        met("pays", sum(weight > 0 for weight in row))
        met("costs", sum(weight < 0 for weight in row))


def test_the_same_level_solved_again_earns_less_and_a_harder_one_more():
    expected = values((0.2, 0.2), (0.9, 0.9))
    new, mastered = weigh(RewardPredictionError(), [1, 1, 1, 0], [1, 1, 1, 0], expected=expected)
    assert new[0] > mastered[0]
    assert new[3] > mastered[3], "failing where success was expected costs more"
    assert weigh(GRPO(), [1, 1, 1, 0], [1, 1, 1, 0], expected=expected)[0][0] == pytest.approx(
        weigh(GRPO(), [1, 1, 1, 0], expected=expected[:1])[0][0]
    ), "GRPO has no such memory"


def graded(right, level_value):
    rollouts = [Rollout([1], [5], [0.0], True, "7") for _ in right]
    grades = [Graded(Verdict.RIGHT if good else Verdict.WRONG, None) for good in right]
    problem = Problem("sum:3+4", "sum", 1, "3+4=?", "7")
    return GradedGroup(problem, rollouts, grades, 1, 0, False, ValueBaseline(level=level_value), 10)


def test_a_raw_bonus_for_hard_levels_is_cancelled_by_the_group_and_ours_is_not():
    """r → (1 + b) · r of one level's right answers: GRPO's advantages do not move; reward prediction error's do."""
    groups = [graded([1, 1, 0, 0], 0.1), graded([1, 0, 0, 0], 0.1), graded([1, 1, 1, 0], 0.9), graded([1, 1, 0, 0], 0.9)]

    def rewards(parts):
        paid = [compose(parts, group) for group in groups]
        return [[sum(prices) for prices in zip(*part.values(), strict=True)] for part in paid]

    plain, bonus = rewards([Accuracy()]), rewards([Accuracy(), LevelBonus()])
    assert [row[0] for row in bonus] == pytest.approx([1.9, 1.9, 1.1, 1.1])
    expected = [group.expected for group in groups]
    for raw, paid in zip(weigh(GRPO(), *plain), weigh(GRPO(), *bonus), strict=True):
        assert paid == pytest.approx(raw, abs=5e-4)
    ours, grpo = weigh(RewardPredictionError(), *plain, expected=expected), weigh(GRPO(), *plain)
    # The same verdicts, of a level that was not expected and of one that was: GRPO pays them alike, ours does not.
    assert grpo[0] == pytest.approx(grpo[3])
    assert ours[0][0] - ours[3][0] > 0.3


def test_difficulty_pays_more_for_hard_success_and_costs_more_for_easy_failure():
    """w(ρ) = 0.4 + 1.1/(1 + e^{10(ρ − 0.75)}): w(0.75) = 0.95, w(0.25) and w(1 − 0.75) alike, w(1 − 0.25) = 0.95."""
    rows = [[1, 0, 0], [1, 1, 0]]
    expected = values((0.75, 0), (0.25, 0))
    middling, high = 0.95, 0.4 + 1.1 / (1 + math.exp(-5))
    weights = [[middling, high, high], [high, high, middling]]
    mean = sum(map(sum, weights)) / 6
    plain = weigh(GRPO(), *rows)
    for row, base, weight in zip(weigh(Difficulty(), *rows, expected=expected), plain, weights, strict=True):
        assert row == pytest.approx([a * w / mean for a, w in zip(base, weight, strict=True)])
