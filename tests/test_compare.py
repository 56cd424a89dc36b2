"""Comparing policies: verdicts, pairing and power against simulation, scipy and counts by hand; controls; the commands."""

import math
import re
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower

from helpers.runs import SMALL
from outgrow.core.errors import UsageError
from outgrow.core.estimate import Estimate
from outgrow.evaluate import Evaluation
from outgrow.evaluate.compare import Against, Side, against, mean_of
from outgrow.evaluate.power import Needed, needed
from outgrow.evaluate.sample import Sample
from outgrow.problems.micro import Micro
from outgrow.problems.shuffled import Shuffled
from outgrow.runs.folder import read_recipe
from outgrow.types import Verdict


def evaluation(right_of, greedy_of=(), k=4, answer="1"):
    """k samples of every problem, so many of them right, and a greedy one (right where the problem is in greedy_of)."""

    def sample(problem, index, right):
        verdict = Verdict.RIGHT if right else Verdict.WRONG
        return Sample(problem, "field", 1, f"what is {problem}?", answer, index, "text", verdict, "1" if right else "2", 5)

    drawn = [sample(problem, index, index < right) for problem, right in right_of.items() for index in range(k)]
    return Evaluation(drawn + [sample(problem, -1, problem in greedy_of) for problem in right_of])


def outgrow(*args):
    return subprocess.run([sys.executable, "-m", "outgrow", *map(str, args)], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.05, "better"),
        (-0.05, -0.03, "worse"),
        (-0.015, -0.001, "worse, by less than 2 points"),
        (-0.015, 0.04, "no difference shown, not worse by 2 points"),
        (-0.015, 0.015, "no difference shown, within 2 points"),
        (-0.05, 0.01, "no difference shown"),
    ],
)
def test_the_verdict_by_the_interval(low, high, said):
    assert Against("b", Estimate(0, low, high, 100), None, None, None, Needed(None, None), 0.02).verdict == said


def test_what_is_not_worse_by_the_margin_is_told_wrongly_as_often_as_said():
    """A true loss of exactly the margin is called "not worse" (or better) in one of forty cases, as an interval of 95% has it."""
    rng, told = np.random.default_rng(0), 0
    for _ in range(600):
        rates = rng.uniform(0.1, 0.9, 150)
        old, new = (
            Side(name, [evaluation({f"p{place}": int(right) for place, right in enumerate(rng.binomial(4, share))})])
            for name, share in (("old", rates), ("new", rates - 0.05))
        )
        told += against(new, old, 0.05).verdict not in ("no difference shown", "worse")
    assert told / 600 == pytest.approx(0.025, abs=0.02)  # three standard errors


def test_so_many_problems_as_statsmodels_asks_for():
    differences_SN = np.random.default_rng(0).normal(0.02, 0.3, (1, 200))
    for power in (0.8, 0.9):
        size = 0.05 / differences_SN.std(ddof=1)
        theirs = NormalIndPower().solve_power(size, alpha=0.05, power=power, ratio=0)
        assert needed(differences_SN, 0.05, power).problems == math.ceil(theirs)


def test_problems_are_paired_by_name_whatever_their_order():
    first = evaluation({"a": 1, "b": 3, "c": 0, "d": 4}, greedy_of=["b", "d"])
    second = evaluation({"d": 4, "c": 2, "b": 3, "a": 3}, greedy_of=["a", "c", "d"])
    found = against(Side("new", [second]), Side("old", [first]), 0.02)
    assert found.change.value == pytest.approx((0.5 + 0 + 0.5 + 0) / 4)
    assert (found.won, found.lost, found.p) == (2, 1, 1.0)  # a and c won, b lost
    assert mean_of(Side("new", [second]), "pass@1").value == pytest.approx(0.75)


def test_of_few_problems_nothing_is_said():
    few = {f"p{place}": 0 for place in range(19)}
    found = against(Side("new", [evaluation(dict.fromkeys(few, 4))]), Side("old", [evaluation(few)]), 0.02)
    assert (found.change.value, found.verdict) == (1.0, "too few problems to say")
    one = [Side(name, [evaluation({"p": right})] * 2) for name, right in (("new", 4), ("old", 0))]
    assert (against(*one, 0.02).change.low, against(*one, 0.02).verdict) == (-np.inf, "too few problems to say")


def test_seeds_are_paired_in_order_and_one_baseline_stands_against_each():
    rng = np.random.default_rng(0)
    rates = [{f"p{place}": int(right) for place, right in enumerate(rng.binomial(4, 0.5, 30))} for _ in range(6)]
    old, new = Side("old", [evaluation(one) for one in rates[:3]]), Side("new", [evaluation(one) for one in rates[3:]])
    by_hand = np.array([[(n[p] - o[p]) / 4 for p in o] for o, n in zip(rates[:3], rates[3:], strict=True)])
    found = against(new, old, 0.02)
    assert found.change.value == pytest.approx(by_hand.mean())
    assert (found.won, found.p) == (None, None)
    alone = against(new, Side("base", old.evaluations[:1]), 0.02)
    assert alone.change.value == pytest.approx(np.mean([[(n[p] - rates[0][p]) / 4 for p in n] for n in rates[3:]]))


def test_what_cannot_be_paired_is_refused():
    one, other = evaluation({"a": 1, "b": 2}), evaluation({"a": 1, "c": 2})
    with pytest.raises(UsageError, match="different problems"):
        against(Side("new", [other]), Side("old", [one]), 0.02)
    with pytest.raises(UsageError, match="different problems"):  # the same name, another answer
        against(Side("new", [evaluation({"a": 1, "b": 2}, answer="7")]), Side("old", [one]), 0.02)
    for seeds in ([one, other], [one, evaluation({"a": 1, "b": 2}, k=8)]):
        with pytest.raises(UsageError, match="its seeds were measured on different problems, or with different numbers of samples"):
            Side("new", seeds)
    with pytest.raises(UsageError, match="new has 3 seeds and old 2"):
        against(Side("new", [one] * 3), Side("old", [one] * 2), 0.02)


@pytest.mark.parametrize("power", [0.8, 0.9])
def test_so_many_problems_show_the_effect_as_often_as_said(power):
    drawn = np.random.default_rng(0).normal(0, 0.3, (1, 100_000))
    found = needed(drawn, effect=0.05, power=power)
    assert found.seeds is None
    rng = np.random.default_rng(1)
    shown = stats.ttest_1samp(rng.normal(0.05, 0.3, (4000, found.problems)), 0, axis=1).pvalue < 0.05
    assert shown.mean() == pytest.approx(power, abs=0.025)  # four standard errors


def test_so_many_seeds_or_problems_bring_the_variance_of_the_mean_to_what_the_effect_allows():
    """Components known beforehand: seeds differ by 0.02, problems by 0.2, answers by 0.3 more; an effect of 0.05."""
    seeds, problems = 300, 2000
    rng = np.random.default_rng(0)
    values_SN = rng.normal(0, 0.2, problems) + rng.normal(0, 0.02, (seeds, 1)) + rng.normal(0, 0.3, (seeds, problems))
    allowed = (0.05 / (stats.norm.ppf(0.975) + stats.norm.ppf(0.8))) ** 2
    found = needed(values_SN, 0.05)
    assert 0.02**2 / found.seeds + 0.2**2 / problems + 0.3**2 / (found.seeds * problems) == pytest.approx(allowed, rel=0.25)
    assert 0.02**2 / seeds + 0.2**2 / found.problems + 0.3**2 / (seeds * found.problems) == pytest.approx(allowed, rel=0.1)
    # Where seeds alone differ by more than that, no number of problems helps.
    noisy = rng.normal(0, 0.2, (4, 1)) + rng.normal(0, 0.1, (4, 50))
    assert needed(noisy, 0.05).problems is None


@pytest.fixture
def measured(tmp_path):
    """Two sides of two suites each, as `outgrow eval --out` leaves them: on the first the second side is clearly better."""
    for side, right in (("old", 0), ("new", 3)):
        (tmp_path / side).mkdir()
        easy = {f"p{place}": right + place % 2 for place in range(40)}
        evaluation(easy, greedy_of=easy if right else ()).save(tmp_path / side / "sums.parquet")
        evaluation({f"p{place}": place % 5 for place in range(40)}).save(tmp_path / side / "words.parquet")
    return tmp_path


def test_the_command_sets_suites_side_by_side(measured):
    result = outgrow("compare", measured / "old", f"ours={measured / 'new'}")
    assert result.returncode == 0, result.stderr
    assert re.search(r"sums: ours against old: better\. \(.* 2 points", result.stdout)
    assert "words: ours against old: no difference shown, within 2 points." in result.stdout
    assert "+75.0 (+75.0 to +75.0)" in result.stdout
    assert "40 : 0 (p < 0.001)" in result.stdout
    assert "0 : 0 (p = 1.000)" in result.stdout
    tables, _, _ = result.stdout.partition("sums: ours")
    assert max(map(len, tables.splitlines())) <= 80


def test_one_file_each_is_compared_whatever_it_is_called(measured):
    result = outgrow("compare", measured / "old" / "sums.parquet", f"same={measured / 'old' / 'sums.parquet'}")
    assert "same against sums: no difference shown, within 2 points." in result.stdout


def test_bad_sides_are_refused_in_a_line(measured):
    (measured / "empty").mkdir()
    (measured / "torn.parquet").write_bytes((measured / "old" / "sums.parquet").read_bytes()[:200])
    (measured / "other").mkdir()
    evaluation({"a": 1}).save(measured / "other" / "else.parquet")
    evaluation({"a": 1}).save(measured / "other" / "more.parquet")
    for sides, said in (
        ([measured / "nowhere", measured / "old"], "nowhere"),
        ([measured / "empty", measured / "old"], "empty: neither a run nor a folder"),
        ([measured / "torn.parquet", measured / "old"], "cannot read this evaluation"),
        ([measured / "old"], "second path"),
        ([measured / "old", measured / "old"], "two sides have the same name"),
        ([measured / "old", measured / "other"], "outgrow eval MODEL --on SUITES"),
        (["a=,", measured / "old"], "no path"),
        (
            [f"x={measured / 'old' / 'sums.parquet'},{measured / 'other' / 'else.parquet'}", measured / "old" / "sums.parquet"],
            "its seeds",
        ),
    ):
        result = outgrow("compare", *sides)
        assert result.returncode in (1, 2), sides
        assert said in result.stderr, result.stderr
        assert "Traceback" not in result.stderr


def test_shuffled_answers_are_those_of_the_same_field_and_level():
    source = Micro(per_level=30, levels=(3, 4))
    plain, dealt = source.load(), Shuffled(source=source).load()
    assert [(p.id, p.question) for p in plain] == [(p.id, p.question) for p in dealt]
    assert not any(problem.solution for problem in dealt)

    def by_cell(problems):
        cells = {}
        for problem in problems:
            cells.setdefault((problem.field, problem.level), []).append(problem.answer)
        return {cell: sorted(answers) for cell, answers in cells.items()}

    assert by_cell(plain) == by_cell(dealt)
    numbers = [(p.answer, d.answer) for p, d in zip(plain, dealt, strict=True) if p.field == "sum"]
    assert sum(own == other for own, other in numbers) < len(numbers) / 20  # equal answers of other problems
    notes = []
    Shuffled(source=Micro(per_level=1, levels=(3,), fields=("sum",))).load(notes.append)
    [note] = notes
    assert note.startswith("shuffled: 1 of 1 problems")
    assert Shuffled(source=source, seed=1).load() != dealt


def test_a_recipe_is_trained_beside_its_controls(tmp_path):
    small = [arg for line in (*SMALL, "learn.steps=2", "evaluate.every=0") for arg in ("--set", line)]
    first = outgrow("controls", "micro", "--out", tmp_path / "c", *small)
    assert first.returncode == 0, first.stderr
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["format-0", "micro-0", "random-0", "shuffled-0"]
    for name in ("micro", "random", "format", "shuffled"):
        assert f"{name} against before: " in first.stdout
        assert name == "micro" or f"{name} against micro: " in first.stdout
    made = {name: read_recipe(tmp_path / "c" / f"{name}-0")[0] for name in ("micro", "random", "format", "shuffled")}
    assert {name: [reward.type for reward in one.rewards] for name, one in made.items()} == {
        "micro": ["accuracy"], "random": ["random"], "format": ["format"], "shuffled": ["accuracy"],
    }  # fmt: skip
    assert [problems.type for one in made.values() for problems in one.problems] == ["micro", "micro", "micro", "shuffled"]
    assert made["shuffled"].problems[0].source == made["micro"].problems[0]
    again = outgrow("controls", "micro", "--out", tmp_path / "c", *small)  # all there: nothing is trained again
    assert again.stdout.splitlines()[-8:] == first.stdout.splitlines()[-8:]
    other = outgrow("controls", "micro", "--out", tmp_path / "c", *small, "--set", "learn.lr=1e-5")
    assert (other.returncode, "choose another --out" in other.stderr) == (2, True)
    assert "kind 'sft'" in outgrow("controls", "micro-base").stderr
