"""Which numbers of a question a chain may replace, which problems may be its parts, and what it says where they may not."""

import random
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from outgrow.config import parse_recipe
from outgrow.core.errors import UsageError
from outgrow.evaluate import Evaluation
from outgrow.evaluate.sample import Sample
from outgrow.evaluate.shared_parts import mean_over_chains
from outgrow.evaluate.statistics import mean_estimate
from outgrow.experiments.rl_measures import SplitGap, SplitRate
from outgrow.problems.chains import Chains, MicroChains, Shape
from outgrow.problems.chains.question_numbers import numbers_of
from outgrow.problems.chains.worded_chains import answer_of, chained
from outgrow.problems.overlap import without_held_out
from outgrow.problems.source import Source
from outgrow.problems.split import split_of
from outgrow.report.chains import chain_sections
from outgrow.types import Problem, Verdict


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ("Ada has 4 apples and buys 17 more.", ["4", "17"]),
        ("It costs $7. What do (8) cost?", ["7", "8"]),
        ("the 3rd of 1,000 at 2.5 or 5% on 2012-05-03 at 10:30, 1/2 of .5", []),
        (r"10,\!000 and 1{,}000 and 10\,000 and 1 000 000 and 1~000", []),
        ("12 000 and 1\u00a0000 and 1'000 and 3 1000", ["3", "1000"]),
        ("2 1/2 cups, 3½ cups, 4 ¼ cups", []),
        (r"3\frac{1}{4} or 3 \dfrac14 or \frac{5}{6}", []),
        (r"2\sqrt{3} and 4\pi", ["2", "3", "4"]),
        (r"7 cm^2, 8 cm^{2}, a_{5}, 10^{6}, 9\%", ["7", "8", "10"]),
        (r"0.\overline{3} and 4\,\text{cm}", ["3", "4"]),
        ("agent 007 at 0530 hours", []),
        ("in 2012–13, pages 5-7", []),
        ("[asy] size(150); draw((0, 3)--(4, 5)); [/asy] The side is 9.", ["9"]),
        ("[asy] size(150);", []),
        ("Of 12 eggs, 5 break. Of the 12 eggs, how many are left?", ["5"]),
        ("6 times 6 is what?", ["6", "6"]),
    ],
)
def test_numbers_of_their_own_are_found(question, numbers):
    assert [match[0] for match in numbers_of(question)] == numbers


def part(question, answer, name="", **more):
    return Problem(name or question, "f", 0, question, answer, **more)


def test_names_differ_and_are_no_points_of_any_question():
    parts = [part("Kim has 4 K in KL. M?", "5"), part("The line MN is 7 long", "6"), part("P takes 8 steps", "9")]
    question = chained(parts, Shape(("f", "f", "f")), random.Random(0)).question
    assert "in which Q is the answer of problem 1 plus 2: The line MN is Q long" in question
    assert "in which R is the answer of problem 2 plus 2: P takes R steps" in question


def test_a_problem_with_two_answers_comes_never_first():
    assert answer_of(part("?", "-1,204")) == -1204
    assert answer_of(part("?", "$5.00", alternatives=("5",))) == 5
    assert answer_of(part("?", "5", alternatives=("7",))) is answer_of(part("?", "5", alternatives=("a",))) is None
    assert answer_of(part("?", r"\frac{1}{2}")) is answer_of(part("?", "2.5")) is answer_of(part("?", "50%")) is None


class Fixed(Source):
    type: str = "fixed"
    problems: tuple = ()

    def load(self, warn=print):
        return list(self.problems)


def apples(count, field="f", start=10):
    questions = (f"Ada has {n} apples and buys more. How many of {field}?" for n in range(start, 10**6))
    train = (question for question in questions if split_of("chains", question) == "train")
    return tuple(Problem(question, field, 0, question, str(n)) for n, question in zip(range(count), train, strict=False))


def load(*sources, warn=lambda text: None, **settings):
    return Chains(sources=tuple(Fixed(problems=problems) for problems in sources), **settings).load(warn)


def test_no_problem_is_chained_with_itself():
    four, said = apples(4), []
    problems = load(four, four, count=50, warn=said.append)
    assert {tuple(one.id for one in problem.parts) for problem in problems} == {
        (a.id, b.id) for a in four for b in four if a is not b
    }
    assert said == ["chains: these sources make 12 different chains, and not 50"]
    with pytest.raises(UsageError, match="one and the same problem in the split train; add problems"):
        load(four[:1], four[:1])
    spelt = (replace(four[0], id="other", question=four[0].question.upper()),)
    if split_of("chains", spelt[0].question) == "train":
        with pytest.raises(UsageError, match="one and the same problem"):
            load(four[:1], spelt)


def test_a_chain_is_no_part_of_a_chain():
    inner = {"type": "chains", "sources": [Fixed(problems=apples(5)), Fixed(problems=apples(5))]}
    with pytest.raises(UsageError, match=r"source 2 \(chains\): its problems are chains themselves; name the sources of"):
        Chains(sources=(Fixed(problems=apples(5)), inner)).load()


def test_two_problems_with_one_id_are_refused():
    ours = tuple(replace(problem, id=str(n)) for n, problem in enumerate(apples(5)))
    theirs = tuple(replace(problem, id=str(n)) for n, problem in enumerate(apples(5, "g")))
    with pytest.raises(UsageError, match="two different problems of its sources have the id '0'; give each its own"):
        load(ours, theirs)


def test_a_split_without_a_field_calls_the_same_pairs_seen():
    """The field d has problems of the split train only: without it among the fields, other pairs would be called unseen."""
    fields = [apples(30, name, 10) for name in "abc"]
    held = []
    for name in "abc":
        questions = (f"Ben has {n} pears and eats more. How many of {name}?" for n in range(10, 400))
        held += [Problem(q, name, 0, q, "5") for q in questions if split_of("chains", q) == "test"]
    everything = (*(problem for field in fields for problem in field), *held, *apples(30, "d"))
    pairs = {
        (kind, split): {problem.field for problem in load(everything, everything, split=split, pairs=kind, count=200)}
        for split in ("train", "test")
        for kind in ("seen", "unseen")
    }
    assert len(pairs["seen", "test"]) == 2 and pairs["seen", "test"] < pairs["seen", "train"]
    assert not pairs["seen", "train"] & pairs["unseen", "test"]
    assert "a>c" in pairs["unseen", "test"], "two steps of four; of three fields it would be one step back"


def test_the_share_of_a_pair_that_has_no_more_goes_to_all_others():
    sources = (*apples(2, "a"), *apples(60, "b"), *apples(60, "c")), (*apples(2, "a", 500), *apples(60, "b", 500))
    counts = Counter(problem.field for problem in load(*sources, count=600))
    assert counts.pop("a>a") == 4
    assert counts["a>b"] <= 120 and counts["b>a"] <= 120
    large = [counts[pair] for pair in ("b>b", "c>b")]
    assert max(large) < 1.15 * min(large)


def test_a_chain_with_a_held_out_part_is_not_practised():
    chains = load(apples(5), apples(5, "g"), count=20)
    measured = chains[0].parts[1]
    left, dropped = without_held_out(chains, [replace(measured, id="x", question=measured.question.upper())])
    assert dropped == sum(measured in chain.parts for chain in chains) > 0
    assert left == [chain for chain in chains if measured not in chain.parts]
    assert without_held_out(chains, []) == (chains, 0)


def test_single_fields_are_kept_where_only_parts_are_wanted():
    alone = MicroChains(chains=("sum",), per_chain=5).load()
    assert MicroChains(chains=("sum",), per_chain=5, parts="only").load() == alone
    mixed = MicroChains(chains=("sum", "roman>clock"), per_chain=5, parts="only").load()
    assert mixed[: len(alone)] == alone and {problem.field for problem in mixed} == {"sum", "roman", "clock"}


def test_chains_that_cannot_be_drawn_are_named():
    said = []
    problems = MicroChains(chains=("sum", "product>product"), levels=(1, 6), largest=40, per_chain=3).load(said.append)
    assert {(problem.field, problem.level) for problem in problems} == {("sum", 1), ("product>product", 1)}
    assert said == [
        f"micro-chains: {name} has no problem of level 6 with answers up to 40; raise largest"
        for name in ("sum", "product>product")
    ]
    with pytest.raises(UsageError, match="micro-chains: no problem has answers up to 9; raise largest, or lower levels"):
        MicroChains(chains=("sum",), levels=(6,), largest=9).load()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"chains": []}, "names no chain; name some, such as sum>product, or a set: atoms, seen"),
        ({"chains": ["sum>quote"], "link": "none"}, 'sum>quote: quote after > has no answer by itself; drop link = "none"'),
        ({"chains": ["form"], "parts": "also"}, 'sum>quote: quote after > has no answer by itself; drop parts = "also"'),
    ],
)
def test_settings_that_make_no_question_are_refused(settings, said):
    with pytest.raises(UsageError) as refused:
        parse_recipe({"name": "x", "policy": {"model": "micro-base"}, "problems": [{"type": "micro-chains", **settings}]})
    assert said in str(refused.value)


@pytest.mark.parametrize(("measure", "split"), [(SplitRate, "unseen"), (SplitGap, "unseen"), (SplitGap, "single")])
def test_a_measure_of_no_split_is_refused(measure, split):
    with pytest.raises(ValueError, match=f"no split called '{split}' has this measure"):
        measure(split=split)
    assert measure(split="unseen pair").split == "unseen pair"


def test_the_interval_of_chains_that_share_parts_against_a_second_way_to_write_it():
    rng = np.random.default_rng(3)
    chains = {f"{a}>{b}": (f"a{a}", f"b{b}") for a in range(6) for b in range(5) if rng.random() < 0.8}
    effects = rng.normal(size=6)
    values = {chain: float(effects[int(chain[0])] + 0.1 * rng.normal()) for chain in chains}
    off = np.array([*values.values()]) - np.mean([*values.values()])
    share = np.array([[bool(set(one) & set(other)) for other in chains.values()] for one in chains.values()])
    wider = np.sqrt(off @ share @ off / (off @ off))
    alone, found = mean_estimate([*values.values()]), mean_over_chains(values, chains)
    assert wider > 1.5 and (found.value, found.n) == (alone.value, alone.n)
    assert found.high - found.value == pytest.approx(wider * (alone.high - alone.value))
    assert found.value - found.low == pytest.approx(wider * (alone.value - alone.low))
    assert mean_over_chains(values, {}) == alone and mean_over_chains({}, {}) is None
    assert mean_over_chains(values, {chain: (chain, f"{chain}'") for chain in chains}) == alone


def test_the_interval_covers_the_truth_where_parts_are_shared():
    rng = np.random.default_rng(4)
    parts = {f"c{n}": (f"a{n % 30}", f"b{n}") for n in range(120)}  # each first part in four chains
    covered = Counter()
    for _ in range(200):
        effects = rng.normal(size=30)
        values = {f"c{n}": float(effects[n % 30] + 0.3 * rng.normal()) for n in range(120)}
        for name, estimate in (("alone", mean_estimate([*values.values()])), ("shared", mean_over_chains(values, parts))):
            covered[name] += estimate.low <= 0 <= estimate.high
    assert covered["alone"] < 160 and covered["shared"] > 176


def test_a_report_names_a_suite_without_the_folders_of_this_machine(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text("{}")
    place = ("c", "f>f", 0, "?", "5", 0, "5", Verdict.RIGHT, "5", 1, ("a", "b"), ("3",))
    recipe = SimpleNamespace(evaluate=SimpleNamespace(suite=f"{tmp_path / 'a.jsonl'}>{tmp_path / 'b.jsonl'}"))
    data = SimpleNamespace(practised=[], recipe=recipe, before=Evaluation([Sample(*place)]), after=None, others={})
    assert [section.suite for section in chain_sections(data)] == ["a.jsonl>b.jsonl"]
