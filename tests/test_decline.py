"""Whether a look at held-out problems is called worse: exact values, a second implementation, error rates by simulation."""

import doctest
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, t, ttest_1samp

from outgrow.evaluate import decline as module
from outgrow.evaluate.decline import ERROR_RATE, decline, number_of_looks, sign_flip, t_interval

RUNS = 1500


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


@given(st.lists(st.integers(-4, 4), max_size=9))
def test_the_exact_chance_is_that_of_all_signs_written_out(differences):
    sums = [
        sum(sign * abs(d) for sign, d in zip(signs, differences, strict=True))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    assert sign_flip(differences) == pytest.approx(np.mean(np.array(sums) <= sum(differences)))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_one_answer_a_problem_is_mcnemars_test(won, lost, same):
    expected = binomtest(won, won + lost, 0.5, alternative="less").pvalue if won + lost else 1.0
    assert sign_flip([1] * won + [-1] * lost + [0] * same) == pytest.approx(expected)


@given(st.lists(st.integers(-8, 8), min_size=2, max_size=40).filter(lambda row: len(set(row)) > 1), st.sampled_from([0.025, 0.001]))
def test_the_interval_is_scipys(differences, tail):
    values = [difference / 8 for difference in differences]
    expected = ttest_1samp(values, 0).confidence_interval(1 - 2 * tail)
    low, high = t_interval(values, tail)
    assert (low, high) == pytest.approx((max(-1, expected.low), min(1, expected.high)))


def test_a_single_problem_shows_nothing():
    assert t_interval([-1.0], 0.025) == (-1.0, 1.0)
    assert not decline({"a": 8}, {"a": 0}, 8, 1).worse


def test_few_problems_that_all_got_worse_are_no_proof():
    """The t interval of equal values has no width; the exact chance of three lost coins is an eighth."""
    shown = decline(dict.fromkeys("abc", 4), dict.fromkeys("abc", 3), 4, 1)
    assert (shown.low, shown.high) == (-0.25, -0.25)
    assert not shown.worse


def test_the_figures_of_a_loss():
    before, after = dict.fromkeys(range(20), 4), {**dict.fromkeys(range(10), 4), **dict.fromkeys(range(10, 20), 0)}
    shown = decline(before, after, 4, 5)
    assert (shown.before, shown.after, shown.change, shown.n, shown.k, shown.worse) == (1.0, 0.5, -0.5, 20, 4, True)
    assert shown.level == pytest.approx(1 - 2 * ERROR_RATE / 5)
    half = t.ppf(1 - ERROR_RATE / 5, 19) * np.std([0.0] * 10 + [-1.0] * 10, ddof=1) / 20**0.5
    assert (shown.low, shown.high) == pytest.approx((-0.5 - half, -0.5 + half))


def test_a_gain_is_never_worse():
    assert not decline(dict.fromkeys(range(50), 0), dict.fromkeys(range(50), 4), 4, 1).worse


def test_other_problems_are_refused():
    with pytest.raises(ValueError, match="different problems"):
        decline({"a": 1}, {"b": 1}, 4, 1)
    with pytest.raises(ValueError, match="different problems"):
        decline({}, {}, 4, 1)


def look(rng, rates, k):
    return dict(enumerate(rng.binomial(k, np.clip(rates, 0, 1)).tolist()))


@pytest.mark.parametrize(("problems", "k", "looks"), [(6, 4, 3), (15, 4, 4), (60, 2, 1), (60, 2, 10), (200, 1, 6)])
def test_an_unchanged_policy_is_seldom_called_worse_at_any_look(problems, k, looks):
    """The chance is bounded for the whole run; the bound here is 3.9 standard errors above it, and the seed is fixed."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(RUNS):
        rates = rng.beta(1, 1, problems)
        first = look(rng, rates, k)
        alarms += any(decline(first, look(rng, rates, k), k, looks).worse for _ in range(looks))
    assert alarms / RUNS <= ERROR_RATE + 3.9 * (ERROR_RATE * (1 - ERROR_RATE) / RUNS) ** 0.5


def test_without_the_correction_ten_looks_would_be_called_worse_too_often():
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(RUNS):
        rates = rng.beta(1, 1, 60)
        first = look(rng, rates, 2)
        alarms += any(decline(first, look(rng, rates, 2), 2, 1).worse for _ in range(10))
    assert alarms / RUNS > 2 * ERROR_RATE


@pytest.mark.parametrize(("problems", "k", "looks", "found"), [(60, 4, 6, 0.9), (100, 2, 6, 0.85), (200, 2, 20, 0.97)])
def test_twenty_points_lost_are_found(problems, k, looks, found):
    rng = np.random.default_rng(11)
    shown = 0
    for _ in range(400):
        rates = rng.uniform(0.3, 1.0, problems)
        shown += decline(look(rng, rates, k), look(rng, rates - 0.2, k), k, looks).worse
    assert shown / 400 >= found


def test_looks_are_taken_before_every_nth_step():
    for steps in range(1, 40):
        for every in range(1, 12):
            assert number_of_looks(steps, every) == sum(step > 1 and (step - 1) % every == 0 for step in range(1, steps + 1))
