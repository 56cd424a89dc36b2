"""The ledger keeps what it was told and nothing else; samplers choose as often as they say."""

import itertools
import random
import sqlite3
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from outgrow.algorithms.samplers import SAMPLERS, PickRequest
from outgrow.algorithms.samplers.uniform import Uniform
from outgrow.algorithms.samplers.variance import Variance
from outgrow.core.choose import weighted_sample
from outgrow.core.errors import OutgrowError
from outgrow.core.rng import numpy_rng, python_rng
from outgrow.ledger import Ledger
from outgrow.types import Problem, Visit


def problems_named(*names, field="sum", level=1):
    return [Problem(f"{field}:{name}", field, level, f"{name}=?", "7") for name in names]


PROBLEMS = problems_named(*"abcdefghij")


def visit(step, name, right=3, n=8, mean_length=12.5):
    return Visit(step, f"sum:{name}", n, right, mean_length)


def last(ledger, problems=PROBLEMS):
    """(step, n, right) of each problem's last visit."""
    known = ledger.known(problems)
    return list(zip(known.step_N.tolist(), known.n_N.tolist(), known.right_N.tolist(), strict=True))


def pick(sampler, step, count, problems, ledger, seed):
    return [problems[place] for place in sampler.pick(PickRequest(step, count, 8, seed), ledger.known(problems))]


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        opened.enter(PROBLEMS)
        yield opened


def test_what_is_recorded_can_be_read_and_outlives_the_process(ledger, tmp_path):
    rows = [visit(1, "b", right=0), visit(1, "a", right=8, mean_length=1 / 3), visit(2, "a", right=5), visit(10, "c")]
    ledger.record(rows[:2])
    ledger.record(rows[2:3])
    ledger.record(rows[3:])
    expected = [rows[1], rows[0], rows[2], rows[3]]  # oldest first, then by problem
    assert ledger.visits() == expected
    ledger.close()
    with Ledger(tmp_path / "ledger.sqlite") as again:
        again.enter(PROBLEMS)
        assert again.visits() == expected
        assert last(again, PROBLEMS[:4]) == [(2, 8, 5), (1, 8, 0), (10, 8, 3), (0, 0, 0)]


def test_pass_rate_is_the_share_of_right_rollouts():
    assert visit(1, "a", right=3, n=8).pass_rate == 0.375


def test_what_is_known_is_the_last_visit(ledger):
    known = ledger.known([PROBLEMS[1], PROBLEMS[0]])  # in their own order, and before they are visited
    assert last(ledger, PROBLEMS[:2]) == [(0, 0, 0), (0, 0, 0)]
    for step, right in enumerate([0, 8, 3], start=1):
        ledger.record([visit(step, "a", right=right)])
        assert (known.step_N.tolist(), known.n_N.tolist(), known.right_N.tolist()) == ([0, step], [0, 8], [0, right])


def test_cells_are_fields_and_levels(ledger):
    problems = [*problems_named("a", "b"), *problems_named("a", field="clock"), *problems_named("c", level=2)]
    assert ledger.known(problems).cell_N.tolist() == [0, 0, 1, 2]


def test_thousands_of_problems_keep_their_own(ledger):
    """More than the table has room for at first, visited in another order than they are asked for."""
    many = problems_named(*map(str, range(5000)))
    known = ledger.known(many)
    ledger.enter(many)
    order = random.Random(0).sample(range(5000), 3000)
    ledger.record([Visit(1, many[place].id, 8, place % 9, 1.0) for place in order])
    expected = {place: place % 9 for place in order}
    assert known.right_N.tolist() == [expected.get(place, 0) for place in range(5000)]
    assert (known.n_N > 0).sum() == 3000


@pytest.mark.parametrize("step", range(6))
def test_rewinding_gives_the_ledger_as_it_was(tmp_path, step):
    rng = random.Random(step)
    history = [[visit(s, name, right=rng.randint(0, 8)) for name in rng.sample("abcdefghij", 4)] for s in range(1, 6)]
    with Ledger(tmp_path / "whole") as whole, Ledger(tmp_path / "part") as part:
        for opened, steps in ((whole, history), (part, history[:step])):
            opened.enter(PROBLEMS)
            for visits in steps:
                opened.record(visits)
        whole.rewind(step)
        assert whole.visits() == part.visits()
        assert last(whole) == last(part)
        whole.record([visit(step + 1, "a")])
        assert last(whole)[0] == (step + 1, 8, 3)


@pytest.mark.parametrize(
    "bad",
    [
        [visit(2, "a"), visit(2, "b"), visit(2, "a", right=1)],
        [visit(2, "b"), visit(1, "a")],
        [visit(2, "b"), visit(2, "c", right=9, n=8)],
        [visit(2, "b"), visit(2, "c", right=-1)],
    ],
    ids=["twice in the list", "there already", "more right than written", "fewer than none"],
)
def test_a_record_is_all_or_none(ledger, tmp_path, bad):
    first = [visit(1, "a"), visit(1, "c")]
    ledger.record(first)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.record(bad)
    assert ledger.visits() == first
    assert last(ledger, PROBLEMS[:3]) == [(1, 8, 3), (0, 0, 0), (1, 8, 3)]
    ledger.record([visit(3, "b")])  # and the ledger still works
    with Ledger(tmp_path / "ledger.sqlite") as again:
        assert again.visits() == [*first, visit(3, "b")]


def test_another_process_reads_what_is_committed_while_the_run_writes(ledger, tmp_path):
    reader = sqlite3.connect(f"file:{tmp_path / 'ledger.sqlite'}?mode=ro", uri=True)
    for step in range(1, 4):
        ledger.record([visit(step, "a"), visit(step, "b")])
        assert reader.execute("SELECT count(*), max(step) FROM visits").fetchone() == (2 * step, step)
    # A reader in the middle of reading neither stops the writer nor sees half of what it writes.
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM visits").fetchone() == (6,)
    ledger.record([visit(4, "a")])
    assert reader.execute("SELECT count(*) FROM visits").fetchone() == (6,)
    reader.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM visits").fetchone() == (7,)
    assert dict(reader.execute("SELECT id, level FROM problems")) == {problem.id: 1 for problem in PROBLEMS}
    reader.close()


def broken_header(path):
    path.write_bytes(b"this is not a ledger, whatever its name says\n" * 100)


def broken_pages(path):
    with Ledger(path) as whole:
        whole.enter(PROBLEMS)
        for step in range(1, 60):
            whole.record([visit(step, name) for name in "abcdefghij"])
    content = path.read_bytes()
    path.write_bytes(content[:8192] + random.Random(0).randbytes(len(content) - 8192))


def another_database(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE visits (step, problem_id, place)")
    database.close()


@pytest.mark.parametrize("damage", [broken_header, broken_pages, another_database])
def test_a_file_that_is_no_ledger_is_told_in_one_line(tmp_path, damage):
    path = tmp_path / "ledger.sqlite"
    damage(path)
    with pytest.raises(OutgrowError, match=r"ledger\.sqlite: ") as told:
        Ledger(path)
    assert "\n" not in str(told.value)


def test_a_ledger_in_no_folder_is_told(tmp_path):
    with pytest.raises(OutgrowError, match=r"ledger\.sqlite"):
        Ledger(tmp_path / "missing" / "ledger.sqlite")


EACH = [kind() for kind in SAMPLERS.values()]


@pytest.mark.parametrize("sampler", EACH, ids=lambda s: s.type)
@pytest.mark.parametrize(("count", "expected"), [(1, 1), (4, 4), (10, 10), (25, 10)])
def test_a_pick_is_distinct_problems_as_many_as_asked(sampler, ledger, count, expected):
    for step in range(1, 30):
        picked = pick(sampler, step, count, PROBLEMS, ledger, seed=0)
        assert len(picked) == expected
        assert len({problem.id for problem in picked}) == expected
        assert set(picked) <= set(PROBLEMS)
        ledger.record([Visit(step, problem.id, 8, step % 9, 3.0) for problem in picked])


@pytest.mark.parametrize("sampler", EACH, ids=lambda s: s.type)
def test_a_pick_depends_on_step_seed_and_ledger_alone(sampler, ledger, tmp_path):
    def picks(opened, seed):
        return [pick(sampler, step, 4, PROBLEMS, opened, seed) for step in range(1, 9)]

    ledger.record([visit(1, "a", right=0), visit(1, "b", right=4)])
    first = picks(ledger, seed=0)
    assert picks(ledger, seed=0) == first
    assert picks(ledger, seed=1) != first
    assert len({tuple(problem.id for problem in picked) for picked in first}) > 1
    with Ledger(tmp_path / "other") as other:
        other.enter(PROBLEMS)
        other.record(ledger.visits())
        assert picks(other, seed=0) == first


@pytest.mark.parametrize("count", [1, 2, 3, 4, 10])
def test_uniform_meets_no_problem_again_before_all_were_met(ledger, count):
    orders = set()
    met = Counter({problem.id: 0 for problem in PROBLEMS})
    for step in range(1, 41):
        picked = pick(Uniform(), step, count, PROBLEMS, ledger, seed=3)
        orders.add(tuple(problem.id for problem in picked))
        ledger.record([visit(step, problem.question[0]) for problem in picked])
        met.update(problem.id for problem in picked)
        assert max(met.values()) - min(met.values()) <= 1
    assert len(orders) > 3, "every epoch has the same order"


def weighted_draw_shares(weights, count):
    """Chance of each to be among `count` drawn one after another by weight, by adding up every order."""
    shares = [0.0] * len(weights)
    for order in itertools.permutations(range(len(weights)), count):
        chance, left = 1.0, sum(weights)
        for index in order:
            chance, left = chance * weights[index] / left, left - weights[index]
        for index in order:
            shares[index] += chance
    return shares


@pytest.mark.parametrize(("floor", "count"), [(0.02, 1), (0.02, 2), (0.1, 3)])
def test_variance_samples_by_its_weights(ledger, floor, count):
    ledger.record([visit(1, name, right=right) for name, right in {"a": 0, "b": 1, "c": 4, "d": 6, "e": 8}.items()])
    means = ledger.known(PROBLEMS[:5]).mean(2)
    weights = [mean * (1 - mean) + floor for mean in means.tolist()]
    sampler, steps, met = Variance(floor=floor), 4000, Counter()
    for seed in range(steps):
        met.update(problem.id for problem in pick(sampler, 2, count, PROBLEMS[:5], ledger, seed))
    assert met.total() == steps * count
    for problem, share in zip(PROBLEMS, weighted_draw_shares(weights, count), strict=False):
        # Inclusions are binomial; five tests of three runs, so a strict level.
        assert stats.binomtest(met[problem.id], steps, share).pvalue > 1e-4, problem.id


def test_numpys_numbers_are_pythons():
    theirs = python_rng(3, "variance", 7)
    assert numpy_rng(3, "variance", 7).random_sample(2000).tolist() == [theirs.random() for _ in range(2000)]


def test_small_weights_come_by_chance_and_none_only_last():
    met = Counter()
    for seed in range(500):
        drawn = weighted_sample(np.array([1e-9] * 8 + [0.0] * 2), 9, numpy_rng(seed))
        assert len(set(drawn)) == 9
        assert set(drawn[:8]) == set(range(8))
        met.update(drawn[:2])
    assert stats.chisquare([met[place] for place in range(8)]).pvalue > 1e-4
