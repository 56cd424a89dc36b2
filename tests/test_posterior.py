"""The ledger as an estimator, against a second implementation that looks at every rollout by itself."""

import random

import numpy as np
import pytest
from scipy import stats

from outgrow.algorithms.samplers.informative import mixed_chance
from outgrow.ledger import Ledger, PassRatePosterior
from outgrow.types import Problem, Visit

PROBLEMS = [
    Problem(f"{field}:{level}{name}", field, level, "?", "7") for field in ("sum", "clock") for level in (1, 2) for name in "abc"
]
CELL = {problem.id: (problem.field, problem.level) for problem in PROBLEMS}


def history(seed, steps=12, first=1):
    rng = random.Random(seed)
    visits = []
    for step in range(first, first + steps):
        for problem in sorted(rng.sample(PROBLEMS, 4), key=lambda one: one.id):
            n = rng.choice([4, 8])
            right = rng.choice([0, n, rng.randint(0, n)])
            visits.append(Visit(step, problem.id, n, right, 5.0, rng.randint(3, 9) if right else None))
    return visits


def rollouts(visits, keep):
    """(step, right) of every rollout of the visits that `keep` takes."""
    return [(v.step, index < v.right) for v in visits if keep(v) for index in range(v.n)]


def decayed(rows, step, half_life):
    weights = [0.5 ** ((step - at) / half_life) for at, _ in rows]
    return sum(w for w, (_, right) in zip(weights, rows, strict=True) if right), sum(weights)


def cell_rate(visits, cell, step, half_life):
    right, n = decayed(rollouts(visits, lambda v: CELL[v.problem_id] == cell), step, half_life)
    return (1 + right) / (2 + n)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("half_life", "prior_weight"), [(40.0, 4.0), (3.0, 10.0)])
def test_posteriors_are_those_of_every_rollout_decayed(tmp_path, seed, half_life, prior_weight):
    visits = history(seed, first=0)
    with Ledger(tmp_path / "ledger", PassRatePosterior(half_life, prior_weight)) as ledger:
        ledger.enter(PROBLEMS)
        ledger.record(visits)
        known = ledger.known(PROBLEMS)
        alpha, beta = known.posterior(20, np.arange(len(PROBLEMS)))
        means = known.mean(20)
    for place, problem in enumerate(PROBLEMS):
        prior = cell_rate(visits, CELL[problem.id], 20, half_life)
        right, n = decayed(rollouts(visits, lambda v, own=problem.id: v.problem_id == own), 20, half_life)
        assert alpha[place] == pytest.approx(prior_weight * prior + right, rel=1e-5)
        assert beta[place] == pytest.approx(prior_weight * (1 - prior) + n - right, rel=1e-5)
        assert means[place] == pytest.approx(alpha[place] / (alpha[place] + beta[place]))


def test_long_untouched_a_problem_is_expected_to_be_as_its_level(tmp_path):
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.enter(PROBLEMS)
        ledger.record([Visit(1, "sum:1a", 8, 8, 3.0)])
        known = ledger.known(PROBLEMS[:2])
        assert known.mean(2)[0] > 0.9
        ledger.record([Visit(1000, "sum:1b", 8, 0, 3.0)])
        assert known.mean(1001)[0] == pytest.approx(known.prior(1001)[0], abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_streaks_shortest_answers_and_totals(tmp_path, seed):
    visits = history(seed, steps=30)
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.enter(PROBLEMS)
        ledger.record(visits)
        known = ledger.known(PROBLEMS)
        expected = [ledger.expected(problem) for problem in PROBLEMS]
        totals = {one.step: (one.groups, one.mixed, one.n, one.right) for one in known.steps}
    for place, problem in enumerate(PROBLEMS):
        own = [v for v in visits if v.problem_id == problem.id]
        kinds = ["+" if v.right == v.n else "-" if v.right == 0 else "." for v in own]
        streak = 0
        while streak < len(kinds) and kinds[-1] != "." and kinds[-1 - streak] == kinds[-1]:
            streak += 1
        assert known.streak_N[place] == (0 if kinds[-1] == "." else streak if kinds[-1] == "+" else -streak)
        assert known.visits_N[place] == len(own)
        assert expected[place].shortest_right == min((v.shortest_right for v in own if v.right), default=None)
    for step in range(1, 31):
        of = [v for v in visits if v.step == step]
        mixed = sum(0 < v.right < v.n for v in of)
        assert totals[step] == (len(of), mixed, sum(v.n for v in of), sum(v.right for v in of))


@pytest.mark.parametrize("seed", range(4))
def test_values_never_fall_and_are_the_highest_that_a_mean_was(tmp_path, seed):
    visits = history(seed, steps=40)
    highest_problem, highest_level, before = {}, {}, {}
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.enter(PROBLEMS)
        for count, visit in enumerate(visits, 1):
            ledger.record([visit])
            cell, so_far = CELL[visit.problem_id], visits[:count]
            known = ledger.known([problem for problem in PROBLEMS if problem.id == visit.problem_id])
            highest_problem[visit.problem_id] = max(highest_problem.get(visit.problem_id, 0), known.mean(visit.step)[0])
            rate = cell_rate(so_far, cell, visit.step, 40.0)
            earlier = sum(v.n for v in so_far[:-1] if CELL[v.problem_id] == cell)
            highest_level[cell] = max(highest_level[cell], rate) if earlier >= 32 else rate
            for problem in PROBLEMS:
                now = ledger.expected(problem)
                assert now.level == pytest.approx(highest_level.get(CELL[problem.id], 0.5))
                assert now.problem == pytest.approx(highest_problem.get(problem.id, now.level), rel=1e-5)
                assert problem.id not in highest_problem or now.problem >= before.get(problem.id, 0)
                before[problem.id] = now.problem if problem.id in highest_problem else 0


def test_opening_again_knows_the_same(tmp_path):
    with Ledger(tmp_path / "ledger") as ledger:
        ledger.enter(PROBLEMS)
        for step in range(1, 13):
            ledger.record([visit for visit in reversed(history(3)) if visit.step == step])
        first = ledger.known(PROBLEMS)
        kept = [ledger.expected(problem) for problem in PROBLEMS]
        with Ledger(tmp_path / "ledger") as again:
            second = again.known(PROBLEMS)
            assert second.mean(20).tolist() == first.mean(20).tolist()
            assert [again.expected(problem) for problem in PROBLEMS] == kept
            assert second.steps == first.steps


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 7.0), (30.0, 2.0), (200.0, 200.0)])
@pytest.mark.parametrize("n", [2, 8])
def test_chance_of_a_mixed_group_is_the_beta_binomials(alpha, beta, n):
    expected = 1 - stats.betabinom.pmf(0, n, alpha, beta) - stats.betabinom.pmf(n, n, alpha, beta)
    assert mixed_chance(np.array([alpha]), np.array([beta]), n)[0] == pytest.approx(expected)
