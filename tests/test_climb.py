"""The sampler that climbs from solved parts to chains: locks, opening, retiring and shares, from ledgers made for it."""

import random
from collections import Counter

import pytest
from scipy.special import beta as beta_function

from outgrow.algorithms.samplers import PickRequest
from outgrow.algorithms.samplers.climb import Climb
from outgrow.algorithms.samplers.frontier import Frontier
from outgrow.config import load_recipe
from outgrow.engines.native import NativeEngine
from outgrow.ledger import Ledger
from outgrow.problems import SOURCES
from outgrow.runs.models import frozen_copy
from outgrow.train.rl import RLJob
from outgrow.types import Problem, Visit

CHAINS = ("sum", "product", "clock", "sum>product", "product>clock", "sum>product>clock", "sum&clock>product")
ATOMS = {"sum", "product", "clock"}
PAIRS = {"sum>product", "product>clock"}


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def source(fields=CHAINS, levels=(1,), each=8):
    return [
        Problem(f"{field} {level} {number}", field, level, "?", "7")
        for field in fields
        for level in levels
        for number in range(each)
    ]


def entered(ledger, problems):
    ledger.enter(problems)
    return ledger.known(problems)


def met(ledger, known, step, right, level=1):
    """A visit of 8 rollouts to each problem of these fields, with this number of right ones."""
    ledger.record([Visit(step, p.id, 8, right[p.field], 5.0) for p in known.problems if p.field in right and p.level == level])


def fields(known, step, count, sampler=None, seeds=300):
    """How often each field is picked."""
    sampler, counted = sampler or Climb(), Counter()
    for seed in range(seeds):
        picked = sampler.pick(PickRequest(step, count, 8, seed), known)
        assert len(set(picked)) == len(picked) == min(count, len(known))
        counted.update(known.problems[place].field for place in picked)
    return counted


def test_a_chain_opens_when_all_that_is_within_it_is_solved(ledger):
    known = entered(ledger, source())
    assert set(fields(known, 1, 6)) == ATOMS
    met(ledger, known, 1, {"sum": 8, "product": 8})
    assert set(fields(known, 2, 6)) == ATOMS | {"sum>product"}
    met(ledger, known, 2, {"clock": 8})
    joined = {"sum&clock>product"}
    assert set(fields(known, 3, 6)) == ATOMS | PAIRS | joined, "the joined chain takes its fields only"
    met(ledger, known, 3, {"sum>product": 8})
    assert set(fields(known, 4, 6)) == ATOMS | PAIRS | joined, "one of two pairs is not enough"
    met(ledger, known, 4, {"product>clock": 8})
    assert set(fields(known, 5, 6)) == set(CHAINS)


def test_a_level_opens_its_own_chains_only(ledger):
    known = entered(ledger, source(("sum", "product", "sum>product"), levels=(1, 2)))
    met(ledger, known, 1, {"sum": 8, "product": 8}, level=2)
    picked = {known.problems[place].level for seed in range(40) for place in Climb().pick(PickRequest(2, 8, 8, seed), known)
              if known.problems[place].field == "sum>product"}  # fmt: skip
    assert picked == {2}


@pytest.mark.parametrize(("right", "opens"), [(6, False), (7, True)])
@pytest.mark.parametrize(("solved", "shift"), [(0.8, 0), (0.7, -1)])
def test_the_limit_is_that_of_the_rate(ledger, right, opens, solved, shift):
    """By hand: 64 rollouts, 6 of 8 right: 49/66 = 0.742; 7 of 8: 57/66 = 0.864; 5 of 8: 41/66 = 0.621."""
    known = entered(ledger, source(("sum", "product", "sum>product")))
    met(ledger, known, 1, {"sum": 8, "product": right + shift})
    assert ("sum>product" in fields(known, 2, 6, Climb(solved=solved))) is opens


def test_few_rollouts_open_nothing(ledger):
    """24 rollouts that are all right say less than 32."""
    known = entered(ledger, source(("sum", "product", "sum>product"), each=3))
    met(ledger, known, 1, {"sum": 8, "product": 8})
    assert known.prior(2).max() > 0.9
    assert set(fields(known, 2, 4)) == {"sum", "product"}
    ledger.record([Visit(2, known.problems[place].id, 8, 8, 5.0) for place in (0, 3)])
    assert "sum>product" in fields(known, 3, 4)


def test_a_lock_stays_open_and_a_forgotten_field_counts_in_full_again(ledger):
    known = entered(ledger, source(("sum", "product", "sum>product"), each=40))
    met(ledger, known, 1, {"sum": 8, "product": 8})
    solved = fields(known, 2, 20)
    for step in (2, 3, 4, 5):
        met(ledger, known, step, {"sum": 3})
    assert known.prior(6)[0] < 0.6
    fallen = fields(known, 6, 20)
    assert fallen["sum>product"] > 0
    assert fallen["sum"] > 5 * solved["sum"], "it is no longer retired"


def test_what_the_source_does_not_hold_is_replaced_by_what_is_within_it(ledger):
    known = entered(ledger, source(("sum", "product", "clock", "sum>product>clock")))
    met(ledger, known, 1, {"sum": 8, "product": 8})
    assert set(fields(known, 2, 6)) == ATOMS
    met(ledger, known, 2, {"clock": 8})
    assert "sum>product>clock" in fields(known, 3, 6)


def test_the_weights_by_hand(ledger):
    """sum is solved and sum>product open; roman is solved and in no chain; sum>product was never met."""
    known = entered(ledger, source(("sum", "product", "roman", "sum>product"), each=4))
    met(ledger, known, 1, {"sum": 7, "product": 7, "roman": 7})

    def teaches(alpha, beta, n=8):
        return 1 - (beta_function(alpha + n, beta) + beta_function(alpha, beta + n)) / beta_function(alpha, beta)

    kept = 0.5 ** (1 / 40)
    rate = (1 + kept * 28) / (2 + kept * 32)
    seen = teaches(4 * rate + kept * 7, 4 * (1 - rate) + kept * 1) ** 1.5
    expected = {"sum": 0.3 * seen, "product": 0.3 * seen, "roman": seen, "sum>product": teaches(2, 2) ** 1.5}
    sampler, draws = Climb(explore=0, review=0, retired_weight=0.3), 4000
    first = fields(known, 2, 1, sampler, seeds=draws)
    for field, weight in expected.items():
        assert first[field] / draws == pytest.approx(weight / sum(expected.values()), abs=0.03), field


def test_what_is_solved_is_kept_in_full_where_nothing_is_open_above_it(ledger):
    known = entered(ledger, source(("sum", "product", "clock", "sum>product"), each=40))
    met(ledger, known, 1, {"sum": 7, "product": 4, "clock": 7})
    counted = fields(known, 2, 20, Climb(explore=0, review=0), seeds=200)
    assert counted["sum"] == pytest.approx(counted["clock"], rel=0.25)
    met(ledger, known, 2, {"product": 8})
    met(ledger, known, 3, {"product": 8})
    counted = fields(known, 4, 20, Climb(explore=0, review=0), seeds=200)
    assert counted["sum"] < 0.2 * counted["clock"], "retired into the chain"


def test_where_all_is_solved_it_goes_on_with_what_there_is(ledger):
    known = entered(ledger, source())
    for step, solved in enumerate((ATOMS, PAIRS, set(CHAINS)), start=1):
        met(ledger, known, step, dict.fromkeys(solved, 8))
    counted = fields(known, 4, 12, seeds=100)
    assert set(counted) == set(CHAINS)
    top = ("sum>product>clock", "sum&clock>product")
    assert min(counted[field] for field in top) > 3 * max(counted[field] for field in ATOMS | PAIRS)


@pytest.mark.parametrize("seed", range(8))
def test_only_what_is_open_is_picked_while_there_is_enough_of_it(ledger, seed):
    """Any ledger, by the rule written again over the visits themselves."""
    rng = random.Random(seed)
    known = entered(ledger, source(levels=(1, 2), each=6))
    open_within = {
        "sum>product": ("sum", "product"),
        "product>clock": ("product", "clock"),
        "sum>product>clock": ("sum>product", "product>clock"),
        "sum&clock>product": ("sum", "clock", "product"),
    }
    highest: dict[tuple[str, int], float] = {}
    sums: dict[tuple[str, int], list[float]] = {}
    for step in range(1, 13):
        visited = rng.sample(known.problems, 30)
        visits = [Visit(step, p.id, 8, rng.choice((4, 7, 8, 8, 8)), 5.0) for p in visited]
        ledger.record(visits)
        of = {p.id: (p.field, p.level) for p in visited}
        for visit in sorted(visits, key=lambda visit: visit.problem_id):
            cell = of[visit.problem_id]
            last, right, n, all_n = sums.get(cell, [step, 0.0, 0.0, 0.0])
            kept = 0.5 ** ((step - last) / 40)
            right, n = kept * right + visit.right, kept * n + 8
            sums[cell] = [step, right, n, all_n + 8]
            if all_n + 8 >= 32:
                highest[cell] = max(highest.get(cell, 0.0), (1 + right) / (2 + n))
        opened = {
            place
            for place, p in enumerate(known.problems)
            if all(highest.get((part, p.level), 0.0) >= 0.8 for part in open_within.get(p.field, ()))
        }
        sampler = Climb(review=0.3, retire_after=1, spacing=1, explore=0.3)
        for count in (5, len(opened), len(opened) + 3, len(known)):
            picked = set(sampler.pick(PickRequest(step + 1, count, 8, seed), known))
            assert len(picked) == min(count, len(known))
            assert picked <= opened if count <= len(opened) else picked >= opened
    assert len(opened) > 36, "chains opened"


def test_without_chains_it_picks_by_the_weights_of_frontier(ledger):
    """Of the same draws, since both see the same seed but for the name of their generator."""

    class Renamed(Frontier):
        type: str = "climb"

    known = entered(ledger, source(("sum", "clock")))
    met(ledger, known, 1, {"sum": 8, "clock": 5})
    for seed in range(20):
        ask = PickRequest(2, 5, 8, seed)
        assert Climb().pick(ask, known) == Renamed().pick(ask, known)


def test_it_tells_where_it_has_nothing_to_climb(ledger):
    atoms, chains, other_level = source(("sum", "product")), source(("sum>product",)), source(("sum>product",), levels=(2,))
    ledger.enter([*atoms, *chains, *other_level])
    apart = [ledger.known(atoms), ledger.known([*chains])]
    assert "it chooses as frontier does" in Climb().idle(apart)
    assert "it chooses as frontier does" in Climb().idle([ledger.known([*atoms, *other_level])])
    assert Climb().idle([ledger.known(atoms), ledger.known([*atoms, *chains])]) is None
    assert Frontier().idle(apart) is None


def test_a_run_tells_where_its_sampler_has_nothing_to_climb(untrained, tmp_path):
    told = []
    few = ["problems=[{type='micro',per_level=4}]", "evaluate.every=0", "learn.problems_per_step=8"]
    for sampler in ("climb", "frontier"):
        (tmp_path / sampler).mkdir()
        recipe = load_recipe("micro", [*few, f"curriculum={{type='{sampler}'}}"])
        RLJob(recipe, untrained, frozen_copy(untrained), NativeEngine(), tmp_path / sampler, told.append).close()
    assert [line.split(":")[0] for line in told if "curriculum" in line] == ["curriculum.type=climb"]


def test_a_ledger_that_is_opened_again_gives_the_same_picks(ledger, tmp_path):
    problems = source(levels=(1, 2))
    known = entered(ledger, problems)
    rng = random.Random(3)
    for step in range(1, 30):
        right = {field: rng.choice((5, 7, 8)) for field in rng.sample(CHAINS, 4)}
        met(ledger, known, step, right, level=rng.choice((1, 2)))
    asks = [PickRequest(30, 9, 8, seed) for seed in range(20)]
    before = [Climb().pick(ask, known) for ask in asks]
    ledger.close()
    with Ledger(tmp_path / "ledger.sqlite") as again:
        assert [Climb().pick(ask, again.known(problems)) for ask in asks] == before
    turned = problems[::-1]
    with Ledger(tmp_path / "ledger.sqlite") as again:
        opened = {turned[place].field for ask in asks for place in Climb().pick(ask, again.known(turned))}
    assert opened == {problems[place].field for picked in before for place in picked}, "whatever the order of the cells"


def test_the_source_of_chains_climbs(ledger):
    """The sets of `micro-chains`: first single fields only; with these solved, the pairs; with all pairs, chains of three."""
    drawn = SOURCES["micro-chains"](chains=("atoms", "seen", "climb"), levels=(1,), per_chain=8).load()
    known = entered(ledger, drawn)
    for step, depth in enumerate((1, 2, 3), start=1):
        picked = fields(known, step, 20)
        assert {len(field.split(">")) for field in picked} == set(range(1, depth + 1))
        met(ledger, known, step, {field: 8 for field in {p.field for p in drawn} if field.count(">") < depth})
