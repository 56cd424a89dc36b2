"""What each sampler prefers, from ledgers made for it."""

from collections import Counter

import pytest

from outgrow.algorithms.samplers import PickRequest
from outgrow.algorithms.samplers.adarft import AdaRFT
from outgrow.algorithms.samplers.dropping import Dropping
from outgrow.algorithms.samplers.frontier import Frontier
from outgrow.algorithms.samplers.greso import Greso
from outgrow.algorithms.samplers.informative import LikelyInformative
from outgrow.algorithms.samplers.mopps import Mopps
from outgrow.algorithms.samplers.stages import Stages
from outgrow.ledger import Ledger
from outgrow.types import Problem, Visit


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def made(ledger, rights, steps=(1,), level=1, n=8):
    """A level of problems, visited in these steps with so many of n right each; what is known of them all so far."""
    problems = [Problem(f"{level}:{number:03}", "sum", level, "?", "7") for number in range(len(rights))]
    ledger.enter(problems)
    for step in steps:
        ledger.record([Visit(step, problem.id, n, right, 5.0) for problem, right in zip(problems, rights, strict=True)])
    return problems


def counts(sampler, known, step, count, draws=300):
    met = Counter()
    for seed in range(draws):
        picked = sampler.pick(PickRequest(step, count, 8, seed), known)
        assert len(set(picked)) == min(count, len(known))
        met.update(picked)
    return met


def test_dropping_never_takes_what_was_all_right_while_others_are_left(ledger):
    known = ledger.known(made(ledger, [8, 8, 7, 4, 0]))
    met = counts(Dropping(), known, 2, 3)
    assert set(met) == {2, 3, 4}
    first = Counter(Dropping().pick(PickRequest(2, 1, 8, seed), known)[0] for seed in range(3000))
    # 0.875, 0.5 and 0 and the floor, of their sum
    for place, weight in ((2, 0.895), (3, 0.52), (4, 0.02)):
        assert first[place] / 3000 == pytest.approx(weight / 1.435, abs=0.03)
    assert set(counts(Dropping(), known, 2, 5, draws=3)) == {0, 1, 2, 3, 4}


def test_stages_go_from_easy_to_hard(ledger):
    known = ledger.known(made(ledger, [8] * 10 + [4] * 10 + [0] * 10, steps=range(1, 6)))
    sampler = Stages(steps_per_stage=10)
    for step, band in ((6, range(10)), (15, range(10, 20)), (25, range(20, 30)), (35, range(20, 30))):
        assert set(counts(sampler, known, step, 5, draws=50)) == set(band)
    assert Counter(place // 10 for place in sampler.pick(PickRequest(6, 12, 8, 0), known)) == {0: 10, 1: 2}


def test_likely_informative_takes_the_most_even(ledger):
    known = ledger.known(made(ledger, [0, 1, 4, 5, 7, 8], steps=(1, 2, 3)))
    assert set(LikelyInformative().pick(PickRequest(4, 2, 8, 0), known)) == {2, 3}
    assert 2 not in LikelyInformative().pick(PickRequest(4, 6, 8, 0), known)[4:]


def test_greso_skips_by_the_length_of_the_streak(ledger):
    problems = made(ledger, [8, 8, 4, 0])
    ledger.record([Visit(step, problems[0].id, 8, 8, 5.0) for step in (2,)])
    known = ledger.known(problems)
    assert known.streak_N.tolist() == [2, 1, 0, -1]
    first = Counter(Greso(keep=0.5).pick(PickRequest(2, 1, 8, seed), known)[0] for seed in range(4000))
    # Step 1 alone is behind: three groups of four taught nothing, so p fell to 0.49.
    weights = [0.49**2, 0.49, 1, 0.49]
    for place, weight in enumerate(weights):
        assert first[place] / 4000 == pytest.approx(weight / sum(weights), abs=0.03)


def test_mopps_takes_the_nearest_to_its_target_of_a_random_pool(ledger):
    known = ledger.known(made(ledger, [0] * 40 + [4] * 20 + [8] * 40, steps=range(1, 30)))
    met = counts(Mopps(pool=5), known, 30, 10, draws=40)
    assert sum(met[place] for place in range(40, 60)) / met.total() > 0.85
    wide = counts(Mopps(pool=1), known, 30, 10)  # the pool is the pick, so the target says nothing
    assert sum(wide[place] for place in range(40, 60)) / wide.total() == pytest.approx(0.2, abs=0.03)
    high = counts(Mopps(pool=10, target=0.99), known, 30, 10, draws=40)
    assert sum(high[place] for place in range(60, 100)) / high.total() > 0.9


def test_adarft_moves_its_target_by_what_the_steps_brought(ledger):
    """By hand: three steps of pass rate 1 from difficulty 0: min(1, 3 · 0.2 · tanh(2 · 0.5)) = 0.457; then one of 0: 0.305."""
    easy, middling, hard = (made(ledger, [right] * 4, steps=(), level=level) for level, right in ((1, 8), (2, 4), (3, 0)))
    known = ledger.known([*easy, *middling, *hard])
    ledger.record([Visit(0, p.id, 800, right * 100, 5.0) for ps, right in ((easy, 8), (middling, 4), (hard, 0)) for p in ps])
    sampler = AdaRFT(rate=0.2)
    assert set(sampler.pick(PickRequest(1, 4, 8, 0), known)) == {0, 1, 2, 3}
    for step in (1, 2, 3):
        ledger.record([Visit(step, easy[0].id, 8, 8, 5.0)])
    assert set(sampler.pick(PickRequest(4, 4, 8, 0), known)) == {4, 5, 6, 7}
    ledger.record([Visit(4, hard[0].id, 8, 0, 5.0)])
    assert set(sampler.pick(PickRequest(5, 4, 8, 0), known)) == {4, 5, 6, 7}
    ledger.record([Visit(5, hard[0].id, 8, 0, 5.0)])  # 0.152
    assert set(sampler.pick(PickRequest(6, 4, 8, 0), known)) == {0, 1, 2, 3}


def test_frontier_prefers_what_teaches_and_explores_all_cells(ledger):
    problems = made(ledger, [0] * 100, level=1) + made(ledger, [4] * 100, level=2) + made(ledger, [7] * 100, level=3)
    known = ledger.known(problems)
    met = counts(Frontier(explore=0.15, sharpness=4), known, 2, 20, draws=100)
    by_level = [sum(met[place] for place in range(start, start + 100)) for start in (0, 100, 200)]
    assert by_level[1] > 0.6 * met.total()
    # The exploring 15% go round the three levels.
    assert by_level[0] / met.total() == pytest.approx(0.05, abs=0.02)
    alone = counts(Frontier(explore=0, sharpness=4), known, 2, 20, draws=100)
    assert sum(alone[place] for place in range(100)) < 0.02 * alone.total()


def test_frontier_retires_and_reviews_at_growing_intervals(ledger):
    problems = made(ledger, [8, 8, 8, 4, 4, 4, 4, 4])
    ledger.record([Visit(2, problems[0].id, 8, 8, 5.0), Visit(2, problems[1].id, 8, 8, 5.0)])
    ledger.record([Visit(20, problems[1].id, 8, 8, 5.0)])
    known = ledger.known(problems)

    def reviewed(step, **settings):
        met = counts(Frontier(spacing=10, retired_weight=0.0, **settings), known, step, 4, draws=100)
        return {place for place in (0, 1) if met[place]}

    assert reviewed(11, review=1.0) == set()  # retired in step 2, due in step 12
    assert reviewed(12, review=1.0) == {0}
    assert reviewed(39, review=1.0) == {0}  # the other passed its review in step 20, and is due after twice as long
    assert reviewed(40, review=1.0) == {0, 1}
    assert reviewed(40, review=0.0) == set()
    ledger.record([Visit(41, problems[0].id, 8, 7, 5.0)])
    assert reviewed(42, review=0.0) == {0}, "a wrong answer brings it back"


def test_by_its_chance_to_teach_a_retired_problem_comes_back_the_sooner_the_longer_it_was_not_seen(ledger):
    known = ledger.known(made(ledger, [8] * 50 + [4] * 50, steps=(1, 2)))
    shares = []
    for step in (3, 43, 203):
        met = counts(Frontier(review=0.0, explore=0.0), known, step, 10, draws=200)
        shares.append(sum(met[place] for place in range(50)) / met.total())
    assert 0 < shares[0] < 0.2
    assert shares[0] < shares[1] < shares[2] <= 0.55


def test_the_share_of_reviews_is_kept_on_average(ledger):
    known = ledger.known(made(ledger, [8] * 50 + [4] * 150, steps=(1, 2)))
    met = counts(Frontier(review=0.03, retired_weight=0.0), known, 100, 20, draws=500)
    assert sum(met[place] for place in range(50)) / met.total() == pytest.approx(0.03, abs=0.006)


def test_where_all_is_retired_there_is_still_a_batch_and_not_always_the_same(ledger):
    known = ledger.known(made(ledger, [8] * 60, steps=(1, 2)))
    met = counts(Frontier(), known, 3, 6, draws=200)
    assert len(met) == 60
    assert max(met.values()) < 3 * min(met.values()) + 10
