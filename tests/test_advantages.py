"""Advantages: numbers worked by hand, what each must not depend on, and those from outside, for each token and with gates."""

import copy
import math
import statistics

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.counts import meets, met
from helpers.steps import watched_step
from outgrow.algorithms.advantages import ADVANTAGES, Advantage
from outgrow.algorithms.advantages.difficulty import Difficulty
from outgrow.algorithms.advantages.dr_grpo import DrGRPO
from outgrow.algorithms.advantages.grpo import GRPO
from outgrow.algorithms.advantages.per_rollout import mean_advantage, rollout_advantages
from outgrow.algorithms.advantages.rloo import RLOO
from outgrow.algorithms.advantages.rpe import RewardPredictionError
from outgrow.algorithms.rewards import compose
from outgrow.algorithms.rewards.accuracy import Accuracy
from outgrow.algorithms.rewards.level_bonus import LevelBonus
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError
from outgrow.engines import NativeEngine
from outgrow.policy.logprobs import completion_logprobs
from outgrow.runs.models import frozen_copy
from outgrow.train.rl import RLJob
from outgrow.types import Graded, GradedGroup, Problem, Rollout, ValueBaseline, Verdict

pytestmark = pytest.mark.usefixtures("own_code")

# Those that look at a group by itself.
ALL = [kind() for name, kind in ADVANTAGES.items() if name in ("grpo", "dr_grpo", "rloo")]


def expecting(expected, rollouts=0):
    """A group of which only what was expected, and the number of rollouts (two tokens each), matter."""
    problem, rows = Problem("sum:3+4", "sum", 1, "3+4=?", "7"), [Rollout([1], [5, 2], [0.0, 0.0], True, "7")] * rollouts
    return GradedGroup(problem, rows, [Graded(Verdict.WRONG, None)] * rollouts, 1, 0, False, expected, 10)


def weigh(advantage, *rewards, expected=None):
    groups = [expecting(value) for value in expected or [ValueBaseline()] * len(rewards)]
    return advantage.compute(torch.tensor(rewards, dtype=torch.float64), groups).tolist()


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
    groups = [expecting(ValueBaseline())] * 4
    assert advantage.compute(rewards, groups).abs().max() < 1e-2  # float32 rounding, through GRPO's division by its epsilon
    assert advantage.compute(rewards.double(), groups).abs().max() < 1e-9


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


# From outside the package


class LastToken(Advantage):
    """Reward minus group mean, on the last token of each completion only."""

    type: str = "test_advantages:LastToken"

    def compute(self, rewards_PG, groups):
        centred_PG = rewards_PG - rewards_PG.mean(dim=1, keepdim=True)
        rows = []
        for group, centred_G in zip(groups, centred_PG, strict=True):
            row = [torch.zeros(length) for length in group.lengths]
            for advantage_T, centred in zip(row, centred_G, strict=True):
                advantage_T[-1] = centred
            rows.append(row)
        return rows


class Always(DrGRPO):
    """One that pushes every answer up, whatever its group got."""

    type: str = "test_advantages:Always"
    skips_equal_rewards = False

    def compute(self, rewards_PG, groups):
        return torch.full_like(rewards_PG, 0.001)

    def teaches(self, rewards_G, advantages_G):
        return True


class Broken(Advantage):
    """Returns what it is made with."""

    type: str = "test_advantages:Broken"
    value: object

    def compute(self, rewards_PG, groups):
        return self.value


RECIPE = [
    "learn.steps=1", "learn.problems_per_step=8", "learn.group_size=4", "loss.kl_weight=0.0", "curriculum={type='uniform'}",
    "evaluate.every=0", "sampling.max_tokens=48", "run.threads=1", "evaluate.suite=micro",
    'problems=[{type="micro",fields=["sum","letters"],levels=[3,4],per_level=40}]',
]  # fmt: skip


def job_of(policy, folder, *overrides):
    policy.model.eval()
    return RLJob(load_recipe("micro", [*RECIPE, *overrides]), policy, frozen_copy(policy), NativeEngine(), folder, pytest.fail)


def test_an_advantage_for_each_token_moves_the_weights_as_worked_by_hand(untrained, tmp_path):
    """−Σ (r − mean of its group) · ∇log π(last token) over the number of all tokens, from each rollout by itself."""
    before = copy.deepcopy(untrained)
    job = job_of(untrained, tmp_path, "advantage={type='test_advantages:LastToken'}", "rewards=[{type='random'}]")
    result, groups, trained = watched_step(job, untrained)
    job.close()
    rows = pq.read_table(tmp_path / "rollouts").to_pylist()
    rewards = {(row["problem_id"], row["sample"]): row["reward"] for row in rows}

    expected = {}
    for group in groups:
        paid = [rewards[group.problem.id, index] for index in range(4)]
        if len(set(paid)) > 1:
            expected[group.problem.id] = [reward - statistics.fmean(paid) for reward in paid]
    assert result.metrics["groups/trained_frac"] == len(expected) / 8
    tokens = sum(sum(group.lengths) for group in groups if group.problem.id in expected)
    for group in groups:
        for rollout, advantage in zip(group.rollouts, expected.get(group.problem.id, [0.0] * 4), strict=True):
            logprobs_BT, _, _ = completion_logprobs(before, [rollout.prompt_ids], [rollout.completion_ids], job.recipe.sampling)
            (-advantage * logprobs_BT[0, -1] / tokens).backward()
    for name, weight in before.model.named_parameters():
        torch.testing.assert_close(trained[name], weight.grad, rtol=1e-4, atol=1e-7, msg=name)
    assert max(weight.grad.abs().max() for weight in before.model.parameters()) > 1e-3
    assert untrained.digest() != before.digest(), "the step moved nothing"
    for row in rows:  # the mean over the tokens
        advantage = expected.get(row["problem_id"], [0.0] * 4)[row["sample"]]
        assert row["advantage"] == pytest.approx(advantage / row["length"], abs=1e-6)


@pytest.mark.parametrize(("type", "trained"), [("dr_grpo", 0), ("test_advantages:Always", 1)])
def test_an_advantage_decides_what_equal_rewards_teach(untrained, tmp_path, type, trained):
    """A policy that is never right: by default nothing is learned, and an advantage that says otherwise is obeyed."""
    before = untrained.digest()
    job = job_of(untrained, tmp_path, f"advantage={{type='{type}'}}")
    metrics = job.advance(1, lambda: None).metrics
    job.close()
    assert (metrics["rollouts/pass_rate"], metrics["groups/trained_frac"]) == (0, trained)
    assert (untrained.digest() != before) == bool(trained)


def test_which_groups_teach():
    advantage = DrGRPO()
    assert advantage.teaches([1.0, 0.0], [0.0, 0.0]), "rewards differ"
    assert not advantage.teaches([1.0, 1.0], [0.005, -0.01])
    assert advantage.teaches([1.0, 1.0], [0.005, -0.02])
    assert not advantage.teaches([1.0, 1.0], [torch.tensor([0.0, -0.01]), torch.zeros(3)])
    assert advantage.teaches([1.0, 1.0], [torch.zeros(3), torch.tensor([0.0, -0.02])])


def test_the_advantage_of_each_rollout():
    groups = [expecting(ValueBaseline(), rollouts=2)] * 2
    found = rollout_advantages(DrGRPO(), [[1.0, 0.0], [0.0, 0.0]], groups, weight=0.5)
    assert found == [[0.25, -0.25], [0.0, 0.0]]
    assert rollout_advantages(DrGRPO(), [], []) == []
    [first, _] = rollout_advantages(LastToken(), [[1.0, 0.0], [0.0, 0.0]], groups, weight=0.5)
    assert [advantage_T.tolist() for advantage_T in first] == [[0, 0.25], [0, -0.25]]
    assert [mean_advantage(advantage_T) for advantage_T in first] == [0.125, -0.125]
    assert mean_advantage(0.25) == 0.25


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(2, 3),
        torch.full((2, 2), math.nan),
        [[torch.zeros(2)] * 2],
        [[torch.zeros(2)] * 2, [torch.zeros(2)]],
        [[torch.zeros(2)] * 2, [torch.zeros(2), torch.zeros(3)]],
        [[torch.zeros(2)] * 2, [torch.zeros(2), torch.tensor([0.0, math.inf])]],
    ],
    ids=["another shape", "not finite", "a group too few", "a rollout too few", "a token too many", "a token not finite"],
)
def test_an_advantage_of_another_shape_is_an_error_that_names_it(value):
    groups = [expecting(ValueBaseline(), rollouts=2)] * 2
    with pytest.raises(OutgrowError, match="test_advantages:Broken"):
        rollout_advantages(Broken(value=value), [[1.0, 0.0], [0.0, 0.0]], groups)
