"""Rewards, against numbers worked by hand and a second implementation of the starting experiment's rule."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.groups import group
from outgrow.algorithms.rewards import REWARDS, compose
from outgrow.algorithms.rewards.accuracy import Accuracy
from outgrow.algorithms.rewards.format import Format
from outgrow.algorithms.rewards.length_alp import LengthALP
from outgrow.algorithms.rewards.length_efficient import LengthEfficient
from outgrow.algorithms.rewards.length_experiment import LengthExperiment
from outgrow.algorithms.rewards.length_hapo import LengthHAPO
from outgrow.algorithms.rewards.length_kimi import LengthKimi
from outgrow.algorithms.rewards.length_l1_max import LengthL1Max
from outgrow.algorithms.rewards.length_overlong import LengthOverlong
from outgrow.algorithms.rewards.random import Random
from outgrow.types import ValueBaseline


def of_lengths(lengths, right, **kwargs):
    return group(["x" * length for length in lengths], ["right" if good else "wrong" for good in right], **kwargs)


def test_the_group_counts_what_is_right_and_how_long_it_was():
    one = group(["a", "bb", "cc"], ["right", "truncated", "right"], tokens=[4, 7, 1])
    assert one.right == 2
    assert one.mean_length == 4.0


def test_accuracy_pays_only_what_is_right():
    verdicts = ["right", "wrong", "no answer", "truncated", "verifier failed", "right"]
    assert Accuracy().compute(group(["x"] * 6, verdicts)) == [1, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("text", "price"),
    [
        (r"<think>3+4</think>\boxed{7}", 0.5 + 0.125 + 0.125),
        ("<think>\n3+4\n</think>\n\\boxed{7}\n", 0.75),
        (r"<think></think>\boxed{}", 0.75),
        (r"\boxed{7}", 0.25),
        (r"3+4</think>\boxed{7}", 0.25),
        (r"<think>3+4\boxed{7}", 0.25),
        (r"<think>\boxed{7}</think>", 0.25),
        (r"<think>3+4</think>\boxed{7} for sure", 0.25),
        (r"<think>3+4</think><think>5</think>\boxed{7}", 0.25),
        (r"\boxed{7}<think>3+4</think>", 0.25),
        (r"<think>3+4</think>\boxed{7", 0.125),
        (r"<think>3+4</think>7}", 0.125),
        (r"<think>3+4</think>\boxed{7}\boxed{7}", 0.0),
        (r"\boxed{7}}", 0.125),
        ("<think>3+4</think>7", 0.0),
        ("", 0.0),
        # reward does not depend on the answer
        (r"<think>3+4</think>\boxed{8}", 0.75),
    ],
)
def test_format_prices(text, price):
    assert Format().compute(group([text], ["wrong"])) == [price]
    if text.startswith("<think>"):
        # The prompt opened <think>, so the completion starts behind it; the price is that of the whole.
        assert Format().compute(group([text.removeprefix("<think>")], ["wrong"], inside_think=True)) == [price]


def test_format_parts_can_be_priced_one_by_one():
    text = r"<think>3+4</think>\boxed{7}"
    prices = [
        Format(strict=1, one_box=0, one_brace=0),
        Format(strict=0, one_box=1, one_brace=0),
        Format(strict=0, one_box=0, one_brace=1),
    ]
    assert [part.compute(group([text, r"\boxed{7}", "}", ""], ["wrong"] * 4)) for part in prices] == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 1, 0],
    ]


def test_format_reads_a_long_text_without_going_back():
    """A million characters that almost match: a pattern that backtracks would take hours."""
    body = "<think>" + "a</thin" * 10**5 + "</think>" + "\\boxed" * 10**4
    assert Format().price(body) == 0.0
    assert Format().price(" " * 10**5 + body + "\\boxed{7}" + " " * 10**5 + "x") == 0.25


def starting_experiment(response_len, min_len, max_len, is_correct):
    """`calculate_length_reward` as the starting notes give it."""
    if max_len == min_len:
        return 0.0
    lambda_val = 1.0 - (response_len - min_len) / (max_len - min_len)
    return lambda_val if is_correct else min(0, lambda_val)


@pytest.mark.parametrize(
    ("lengths", "right", "experiment", "kimi"),
    [
        ([10, 20, 30], [1, 1, 1], [1.0, 0.5, 0.0], [0.5, 0.0, -0.5]),
        ([10, 20, 30], [0, 0, 0], [0.0, 0.0, 0.0], [0.0, 0.0, -0.5]),
        ([30, 10, 20, 15], [0, 1, 0, 1], [0.0, 1.0, 0.0, 0.75], [-0.5, 0.5, 0.0, 0.25]),
        # min and max are those of the whole group, wrong answers included
        ([40, 0, 10], [0, 0, 1], [0.0, 0.0, 0.75], [-0.5, 0.0, 0.25]),
        ([5, 5, 5], [1, 0, 1], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ([5], [1], [0.0], [0.0]),
        ([0, 0], [1, 0], [0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_length_prices(lengths, right, experiment, kimi):
    assert LengthExperiment().compute(of_lengths(lengths, right)) == experiment
    assert LengthKimi().compute(of_lengths(lengths, right)) == kimi


ROOT = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("rule", "lengths", "right", "paid"),
    [
        # ALP: −(tokens / 100) · max(share right, 1/n)
        (LengthALP(), [10, 40, 20, 100], [1, 1, 1, 0], [-0.075, -0.3, -0.15, -0.75]),
        (LengthALP(), [10, 40], [0, 0], [-0.05, -0.2]),
        # HAPO with h = 20: cos(π/2 · tokens/20); a right answer at least −0.7, a wrong one at most 0
        (LengthHAPO(), [10, 20, 30, 40, 90], [1, 1, 1, 1, 1], [ROOT, 0, -0.7, -0.7, -0.7]),
        (LengthHAPO(), [10, 20, 30, 40, 90], [0, 0, 0, 0, 0], [0, 0, -ROOT, -1, -1]),
        # DAPO: 0 to 80 of 100 tokens, −1 at 100
        (LengthOverlong(), [10, 80, 85, 90, 100], [1, 0, 1, 0, 1], [0, 0, -0.25, -0.5, -1]),
        (LengthOverlong(cache=0.5), [50, 75, 100], [1, 1, 0], [0, -0.5, -1]),
        # L1-max: clip(0.01 · (60 − tokens) + 0.5, 0, 1) − 1
        (LengthL1Max(budget=60, alpha=0.01), [5, 10, 60, 90, 200, 60], [1, 1, 1, 1, 1, 0], [0, 0, -0.5, -0.8, -1, 0]),
        # Arora & Zanette: right ones 10, 20, 30: mean 20, deviation √(200/3); wrong ones do not count
        (
            LengthEfficient(),
            [10, 20, 30, 500],
            [1, 1, 1, 0],
            [-1 / (1 + math.exp(math.sqrt(1.5))), -0.5, -1 / (1 + math.exp(-math.sqrt(1.5))), 0],
        ),
        (LengthEfficient(), [7, 7, 9], [1, 1, 0], [-0.5, -0.5, 0]),
        (LengthEfficient(), [7, 9], [0, 0], [0, 0]),
    ],
)
def test_length_rules_by_hand(rule, lengths, right, paid):
    one = of_lengths(lengths, right, expected=ValueBaseline(shortest_right=20))
    assert rule.compute(one) == pytest.approx(paid, abs=1e-12)


def test_hapo_pays_nothing_before_the_problem_was_ever_solved():
    assert LengthHAPO().compute(of_lengths([10, 20], [1, 0])) == [0, 0]


def test_a_gated_rule_pays_only_where_enough_is_right():
    parts = [LengthKimi(min_solve_rate=0.75)]
    for right, pays in ([1, 1, 1, 1], True), ([1, 1, 1, 0], True), ([1, 1, 0, 0], False), ([0, 0, 0, 0], False):
        paid = compose(parts, of_lengths([10, 20, 30, 40], right))["length_kimi"]
        assert any(paid) is pays


def test_the_experiment_measures_characters_and_kimi_tokens():
    one = group(["x", "xx", "xxx"], ["right"] * 3, tokens=[30, 10, 20])
    assert LengthExperiment().compute(one) == [1.0, 0.5, 0.0]
    assert LengthKimi().compute(one) == [-0.5, 0.5, 0.0]


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), min_size=1, max_size=12))
def test_the_experiments_length_reward_is_the_starting_notes_function(rows):
    lengths, right = zip(*rows, strict=True)
    expected = [starting_experiment(length, min(lengths), max(lengths), good) for length, good in rows]
    assert LengthExperiment().compute(of_lengths(lengths, right)) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), min_size=1, max_size=12))
def test_kimis_length_reward_is_the_papers(rows):
    lengths, right = zip(*rows, strict=True)
    span = max(lengths) - min(lengths)
    lambdas = [0.5 - (length - min(lengths)) / span if span else 0.0 for length in lengths]
    expected = [value if good else min(0.0, value) for value, good in zip(lambdas, right, strict=True)]
    assert LengthKimi().compute(of_lengths(lengths, right)) == pytest.approx(expected)


def test_random_coins_are_keyed():
    def coins(**kwargs):
        return Random().compute(of_lengths([1] * 64, [0] * 64, **kwargs))

    assert coins() == coins()
    assert coins(seed=1) != coins(seed=2)
    assert coins(step=1) != coins(step=2)
    assert coins(problem="sum:1+2") != coins(problem="sum:1+3")


def test_random_coins_are_fair_and_blind():
    rows = [Random().compute(of_lengths([1, 2, 3, 4] * 2, [1, 0] * 4, step=step)) for step in range(500)]
    flat = [coin for row in rows for coin in row]
    assert set(flat) == {0.0, 1.0}
    # Four standard errors of a fair coin: 0.032 over all, 0.089 for one place in the group.
    assert sum(flat) / len(flat) == pytest.approx(0.5, abs=0.032)
    for place in range(8):
        assert sum(row[place] for row in rows) / 500 == pytest.approx(0.5, abs=0.09)


def test_compose_weighs_each_part():
    one = of_lengths([10, 20, 30], [1, 0, 1])
    paid = compose([Accuracy(weight=2.0), LengthExperiment(), LengthKimi(weight=-0.5)], one)
    assert paid == {"accuracy": [2.0, 0.0, 2.0], "length_experiment": [1.0, 0.0, 0.0], "length_kimi": [-0.25, 0.0, 0.25]}


@pytest.mark.parametrize(("step", "paid"), [(1, 0.0), (10, 0.0), (11, 1.0), (200, 1.0)])
def test_a_part_pays_nothing_in_its_warm_up(step, paid):
    parts = [Accuracy(), LengthExperiment(warmup_steps=10)]
    assert compose(parts, of_lengths([1, 2], [1, 1], step=step)) == {"accuracy": [1.0, 1.0], "length_experiment": [paid, 0.0]}


def test_two_parts_of_one_type_both_count():
    """A length rule that gets stricter: a light weight from the start, more after a warm-up."""
    parts = [LengthKimi(weight=0.25), LengthKimi(weight=0.75, warmup_steps=10)]
    paid = compose(parts, of_lengths([10, 20], [1, 1], step=11))
    assert [sum(prices) for prices in zip(*paid.values(), strict=True)] == [0.5, -0.5]


def test_every_reward_answers_to_its_name():
    assert {name: kind().type for name, kind in REWARDS.items()} == {name: name for name in REWARDS}
