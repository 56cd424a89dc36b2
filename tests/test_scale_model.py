"""The simulation of benchmarks/scale_sim.py: against loops that go token by token, and against the formulas of `outgrow plan`."""

import itertools
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from scale_model import Costs, Devices, Step, deal, microbatches, run_seconds, writing_seconds

from outgrow.plan.models import KNOWN
from outgrow.plan.seconds import Written
from outgrow.plan.seconds import writing_seconds as planned
from outgrow.plan.shape import head_parameters, key_value_bytes, layer_parameters
from test_plan_split import CARD, R1

lengths = st.lists(st.integers(1, 12), min_size=1, max_size=4)
some_groups = st.lists(st.tuples(st.integers(1, 9), lengths), min_size=1, max_size=6)


def costs(token=lambda rows, held: 1 + 0.5 * rows + 0.25 * held, read=lambda tokens: 0.125 * tokens):
    return Costs(token=token, read=read, learn=lambda tokens: tokens, call=0.0, hand_over=0.0)


def token_by_token(groups, most):
    """The same, one token at a time: rows are [tokens held, tokens to come]."""
    waiting, rows, seconds = list(groups), [], 0.0
    while waiting or rows:
        new, begun = [], False
        while waiting and (len(rows) + len(new) + len(waiting[0][1]) <= most or not (rows or new)):
            prompt, answers = waiting.pop(0)
            new += [[prompt, length] for length in answers]
            seconds, begun = seconds + 0.125 * prompt, True
        assert begun or rows
        rows += new
        seconds += 1 + 0.5 * len(rows) + 0.25 * sum(held for held, _ in rows)
        rows = [[held + 1, left - 1] for held, left in rows if left > 1]
    return seconds


@given(some_groups, st.integers(1, 10))
def test_writing_is_what_a_loop_over_tokens_takes(groups, most):
    assert writing_seconds(groups, most, costs()) == pytest.approx(token_by_token(groups, most))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6), st.integers(1, 3))
def test_dealing_is_near_the_best_there_is(weights, to):
    """Heaviest first is at most 4/3 of the best (Graham 1969)."""
    shares = deal([float(weight) for weight in weights], to)
    assert sorted(itertools.chain(*shares)) == list(range(len(weights)))
    most = max(sum(weights[index] for index in share) for share in shares)
    ways = itertools.product(range(to), repeat=len(weights))
    best = min(max(sum(w for w, owner in zip(weights, way, strict=True) if owner == each) for each in range(to)) for way in ways)
    assert most <= (4 / 3 - 1 / (3 * to)) * best + 1e-9


@given(some_groups, st.integers(1, 60))
def test_microbatches_hold_every_answer_and_few_prompts(groups, tokens):
    found = microbatches(groups, tokens)
    answers, prompts = sum(sum(each) for _, each in groups), sum(prompt for prompt, _ in groups)
    most = max(prompt + length for prompt, each in groups for length in each)
    assert all(0 < each <= max(tokens, most) for each in found)
    assert answers + prompts <= sum(found) <= answers + sum(prompt * len(each) for prompt, each in groups)
    assert microbatches(groups, 10**6) == [answers + prompts]


def test_writing_ahead_by_hand():
    """Written by 3, 6, 9 (the third waits for the first's update at 8, so 11); learned by 3 + 4, + 1 to hand over, and so on."""
    one = Step(3.0, 4.0, 1.0, 1.0)
    asked = Costs(token=lambda rows, held: 0.0, read=lambda tokens: 0.0, learn=lambda tokens: 0.0, call=0.0, hand_over=1.0)
    assert run_seconds([one] * 3, Devices(1, 1, 1, 1), asked) == 3 * 8
    assert run_seconds([one] * 3, Devices(1, 1, 1, 1, ahead=True), asked) == 8 + 5 + 5
    slow = Step(9.0, 4.0, 1.0, 1.0)
    assert run_seconds([slow] * 3, Devices(1, 1, 1, 1, ahead=True), asked) == 9 * 3 + 4 + 1


@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), min_size=1, max_size=8), st.floats(0, 1))
def test_ahead_saves_at_most_the_shorter_half(pairs, hand_over):
    steps = [Step(write, learn, 1.0, 1.0) for write, learn in pairs]
    asked = Costs(token=lambda rows, held: 0.0, read=lambda tokens: 0.0, learn=lambda tokens: 0.0, call=0.0, hand_over=hand_over)
    apart, ahead = (run_seconds(steps, Devices(1, 1, 1, 1, ahead), asked) for ahead in (False, True))
    written, learned = (sum(each) for each in zip(*pairs, strict=True))
    assert max(written, learned) - 1e-9 <= ahead <= apart + 1e-9
    assert apart - ahead <= min(written, learned + len(pairs) * hand_over) + 1e-9


@pytest.mark.parametrize("rows", [7, 56, 700])
def test_the_plan_agrees_where_every_answer_has_the_limits_length(rows):
    """Bandwidth rules few rows, arithmetic many; the plan reads prompts within the same time as the first tokens."""
    shape, width, limit = KNOWN[R1], 2, 1600
    used, kept = layer_parameters(shape) + head_parameters(shape), key_value_bytes(KNOWN[R1], 2)
    bandwidth, rate = CARD.bandwidth_gb_s * 1e9 * 0.5, CARD.bfloat16_tflops * 1e12 * 0.5
    attention = 4 * shape.layers * shape.attention

    def token(count, held):
        return max((used * width + held * kept) / bandwidth, (2 * used * count + attention * held) / rate)

    asked = costs(token, lambda tokens: 2 * layer_parameters(shape) * tokens / rate)
    simulated = writing_seconds([(256, [limit] * 7)] * (rows // 7), rows, asked)
    plan = planned(Written(rows, rows, 256, limit, limit), rows // 7, shape, width, CARD)
    assert simulated == pytest.approx(plan, rel=0.15)
