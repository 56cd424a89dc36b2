"""Estimates against brute force and scipy, and evaluations against counts by hand."""

import itertools
import random

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats import contingency_tables, proportion
from statsmodels.stats.anova import anova_lm

from outgrow.core.errors import OutgrowError, UsageError
from outgrow.engines import LocalModel, NativeEngine, sync
from outgrow.evaluate import Evaluation, paired_delta
from outgrow.evaluate.calibration import brier, spearman, staleness_of
from outgrow.evaluate.sample import Sample, sample_problems
from outgrow.evaluate.statistics import bootstrap_ci95, crossed, crossed_ci95, majority, mcnemar, mean_ci95, pass_at_k, wilson_ci95
from outgrow.policy import Sampling
from outgrow.problems.micro import Micro
from outgrow.problems.suites import suite
from outgrow.types import Verdict
from outgrow.verify import Attempt, Verifier


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_subsets_with_a_right_one(n):
    for right in range(n + 1):
        samples = [True] * right + [False] * (n - right)
        for k in range(1, n + 1):
            subsets = list(itertools.combinations(samples, k))
            assert pass_at_k(n, right, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_k_is_unbiased():
    rng = np.random.default_rng(0)
    estimates = [pass_at_k(16, right, 4) for right in rng.binomial(16, 0.3, size=4000)]
    assert np.mean(estimates) == pytest.approx(1 - 0.7**4, abs=4 * np.std(estimates) / 4000**0.5)


def test_pass_at_more_than_there_are_samples_is_an_error():
    with pytest.raises(ValueError, match="pass@5 needs at least 5 samples, not 4"):
        pass_at_k(4, 2, 5)


@pytest.mark.parametrize("n", [20, 100, 400])
def test_interval_is_scipys(n):
    values = np.random.default_rng(n).beta(0.6, 0.9, size=n)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=6000, method="percentile", rng=1).confidence_interval
    # Percentiles of 2000 resamples wander by about a twelfth of the standard error.
    error = values.std() / n**0.5
    assert bootstrap_ci95(values.tolist()) == pytest.approx((theirs.low, theirs.high), abs=0.4 * error)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    """Pass rates of 60 problems with 4 samples each, problems unlike each other: true mean 0.4."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        rates = rng.binomial(4, rng.beta(0.8, 1.2, size=60)) / 4
        low, high = bootstrap_ci95(rates.tolist())
        covered += low <= 0.4 <= high
    assert 0.91 <= covered / 400 <= 0.99


def test_interval_of_equal_values_is_a_point_and_repeats():
    assert bootstrap_ci95([0.5] * 9) == (0.5, 0.5)
    values = [random.Random(0).random() for _ in range(30)]
    assert bootstrap_ci95(values) == bootstrap_ci95(values)


def sample(problem, index, verdict, field="sum", level=1, length=10):
    extracted = "7" if verdict in ("right", "wrong") else None
    return Sample(f"{field}:{problem}", field, level, f"{problem}=?", "7", index, "…</think>", Verdict(verdict), extracted, length)


def evaluation_of(*rows):
    """rows: (problem, field, level, verdicts of the k samples, verdict of the greedy one)."""
    samples = []
    for problem, field, level, verdicts, greedy in rows:
        samples += [sample(problem, i, verdict, field, level, length=10 * (i + 1)) for i, verdict in enumerate(verdicts.split(","))]
        samples.append(sample(problem, -1, greedy, field, level, length=1000))
    return Evaluation(samples)


HAND = evaluation_of(
    ("a", "sum", 1, "right,right,right,right", "right"),
    ("b", "sum", 1, "right,wrong,truncated,wrong", "wrong"),
    ("c", "sum", 2, "wrong,no answer,no answer,right", "right"),
    ("d", "clock", 1, "truncated,truncated,truncated,no answer", "truncated"),
)


def test_summary_by_hand():
    summary = HAND.summary()
    assert HAND.k == summary["k"] == 4
    assert HAND.pass_rates() == {"sum:a": 1.0, "sum:b": 0.25, "sum:c": 0.25, "clock:d": 0.0}
    assert summary["n"] == 4
    assert summary["pass@1"] == 1.5 / 4
    assert summary["greedy"] == 2 / 4
    assert summary["between"] == 2 / 4
    assert summary["truncated"] == 4 / 16
    assert summary["no_answer"] == 3 / 16
    assert summary["length"] == 25  # the greedy answers, of length 1000, are not among the samples
    # one right of four: half of the six pairs hold it
    assert summary["pass@k"] == pytest.approx({"1": 1.5 / 4, "2": (1 + 0.5 + 0.5 + 0) / 4, "4": 3 / 4})
    assert summary["cells"] == [
        {"field": "sum", "level": 1, "pass@1": 0.625, "n": 2},
        {"field": "sum", "level": 2, "pass@1": 0.25, "n": 1},
        {"field": "clock", "level": 1, "pass@1": 0.0, "n": 1},
    ]
    low, high = summary["ci95"]
    assert 0 <= low < summary["pass@1"] < high <= 1


def test_evaluations_survive_their_file(tmp_path):
    path = tmp_path / "before.parquet"
    HAND.save(path)
    loaded = Evaluation.load(path)
    assert loaded == HAND
    assert all(isinstance(one.verdict, Verdict) for one in loaded.samples)
    assert loaded.summary() == HAND.summary()
    assert [file.name for file in tmp_path.iterdir()] == ["before.parquet"]


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no parquet at all PAR1"])
def test_a_file_that_is_no_evaluation_is_told(tmp_path, content):
    path = tmp_path / "before.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OutgrowError, match=r"before\.parquet: cannot read this evaluation"):
        Evaluation.load(path)


def test_paired_delta_by_hand():
    after = evaluation_of(
        # in another order: pairs are made by problem
        ("d", "clock", 1, "right,right,truncated,right", "right"),
        ("c", "sum", 2, "wrong,wrong,wrong,wrong", "right"),
        ("b", "sum", 1, "right,right,wrong,wrong", "wrong"),
        ("a", "sum", 1, "right,right,right,right", "right"),
    )
    delta = paired_delta(HAND, after)
    assert delta["n"] == 4
    assert delta["pass@1"] == pytest.approx((0 + 0.25 - 0.25 + 0.75) / 4)
    assert delta["ci95"] == list(bootstrap_ci95([0.0, 0.25, -0.25, 0.75]))
    same = paired_delta(HAND, HAND)  # four problems do not say that no other changes: Wilson's z² / (n + z²) for none of 4
    assert (same["pass@1"], same["ci95"]) == (0.0, pytest.approx([-3.8415 / 7.8415, 3.8415 / 7.8415], abs=1e-4))


@pytest.mark.parametrize("rate", [0.02, 0.5, 0.98])
def test_intervals_of_few_problems_hold_the_true_rate(rate: float) -> None:
    """Also where all are right, or none is: the bootstrap alone holds 0.02 in a third of the cases with 20 problems."""
    draw = np.random.default_rng(0)
    ends = [mean_ci95((draw.random(20) < rate).astype(float).tolist()) for _ in range(400)]
    assert sum(low <= rate <= high for low, high in ends) >= 0.9 * 400


def test_pairing_takes_out_what_problems_have_in_common():
    """Every problem gains exactly a quarter: no doubt about the gain, however unlike the problems are."""
    steps = [",".join(["right"] * right + ["wrong"] * (4 - right)) for right in range(5)]
    before = evaluation_of(*((f"p{i}", "sum", 1, steps[i % 4], "wrong") for i in range(12)))
    after = evaluation_of(*((f"p{i}", "sum", 1, steps[i % 4 + 1], "wrong") for i in range(12)))
    assert paired_delta(before, after) == {"pass@1": 0.25, "ci95": [0.25, 0.25], "n": 12}


def test_other_problems_cannot_be_paired():
    other = evaluation_of(("a", "sum", 1, "right", "right"))
    with pytest.raises(OutgrowError, match="different problems"):
        paired_delta(HAND, other)


def test_suites_hold_no_training_problem():
    trained = {problem.question for problem in Micro(per_level=200).load()}
    for name in ("micro", "micro-validation"):
        problems = suite(name).load()
        assert problems
        assert not trained & {problem.question for problem in problems}
    assert suite("micro").split == "test", "what is reported must not be what was looked at on the way"
    with pytest.raises(UsageError, match="did you mean 'micro'"):
        suite("micor")


def test_samples_are_graded_and_do_not_depend_on_the_problems_beside_them(shipped, monkeypatch):
    monkeypatch.setattr("outgrow.verify.pool._Worker", None)  # integers need no comparison process
    problems = Micro(split="test", per_level=1, levels=(1, 3)).load()
    engine = NativeEngine()
    sync(engine, shipped)
    verifier, sampling = Verifier(), Sampling(max_tokens=32)
    together = sample_problems(LocalModel(shipped, engine), verifier, problems, 2, sampling, seed=4)
    assert [(s.problem_id, s.index) for s in together] == [(p.id, i) for p in problems for i in (0, 1)]
    for one, problem in zip(together[::2], problems, strict=True):
        assert (one.field, one.level, one.question, one.answer) == (problem.field, problem.level, problem.question, problem.answer)
        if one.verdict is not Verdict.TRUNCATED:
            assert verifier.grade([Attempt(one.text, problem.answer)], inside_think=True)[0].verdict is one.verdict
    alone = sample_problems(LocalModel(shipped, engine), verifier, problems[3:4], 2, sampling, seed=4)
    assert [s.text for s in alone] == [s.text for s in together[6:8]]
    assert [s.text for s in sample_problems(LocalModel(shipped, engine), verifier, problems, 2, sampling, seed=5)] != [
        s.text for s in together
    ]
    greedy = sample_problems(
        LocalModel(shipped, engine), verifier, problems[:4], 2, sampling.model_copy(update={"temperature": 0.0}), seed=4
    )
    assert [s.index for s in greedy] == [-1] * 4


def test_calibration_figures_are_scipys_and_by_hand():
    estimates, rates = np.array([0.1, 0.5, 0.5, 0.9, 0.2]), np.array([0.0, 0.25, 1.0, 1.0, 0.25])
    assert brier(estimates, rates) == pytest.approx((0.01 + 0.0625 + 0.25 + 0.01 + 0.0025) / 5)
    assert spearman(estimates, rates) == pytest.approx(stats.spearmanr(estimates, rates).statistic)
    assert spearman(np.array([0.5, 0.5]), np.array([0.1, 0.2])) is None
    assert staleness_of(10) == "at most 10 steps ago"
    assert staleness_of(11) == "at most 40 steps ago"
    assert staleness_of(41) == "earlier"
    assert staleness_of(None) == "never"


@pytest.mark.parametrize(("seeds", "of_seeds"), [(1, 0.0), (6, 0.0), (6, 0.03), (6, 0.1), (12, 0.03), (12, 0.1)])
def test_intervals_over_seeds_and_problems_cover_the_truth(seeds, of_seeds):
    """2,000 made-up comparisons on 120 problems: a true gain of 0.05, problems that differ by 0.2, answers by 0.3 more."""
    rng = np.random.default_rng(seeds)
    covered = 0
    for _ in range(2000):
        gains_SN = 0.05 + rng.normal(0, 0.2, 120) + rng.normal(0, of_seeds, (seeds, 1)) + rng.normal(0, 0.3, (seeds, 120))
        low, high = crossed_ci95(gains_SN.tolist())
        covered += low <= 0.05 <= high
    assert 0.93 <= covered / 2000 <= 0.97


def test_without_seeds_that_differ_the_interval_is_the_paired_t_one_of_the_problems():
    gains = np.random.default_rng(0).normal(0.1, 0.3, 50)
    low, high = crossed_ci95([gains.tolist()] * 4)  # every seed the same: problems are all that varies
    theirs = stats.ttest_1samp(gains, 0).confidence_interval()
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert crossed_ci95([[0.25] * 5] * 3) == (0.25, 0.25)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (5, 0), (8, 2), (30, 31), (400, 330)])
def test_mcnemar_is_scipys_binomial_test(won, lost):
    theirs = stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert mcnemar(won, lost) == pytest.approx(theirs)


def test_mcnemar_is_statsmodels():
    for won, lost in [(5, 0), (8, 2), (30, 31)]:
        theirs = contingency_tables.mcnemar([[40, won], [lost, 60]], exact=True).pvalue
        assert mcnemar(won, lost) == pytest.approx(theirs)


@pytest.mark.parametrize(("right", "n"), [(0, 10), (1, 10), (37, 64), (500, 500)])
def test_interval_of_a_share_is_statsmodels(right, n):
    assert wilson_ci95(right, n) == pytest.approx(proportion.proportion_confint(right, n, method="wilson"), abs=1e-12)


def test_mean_squares_are_those_of_statsmodels_analysis_of_variance():
    rng = np.random.default_rng(3)
    values_SN = rng.normal(0, 0.1, (5, 1)) + rng.normal(0.2, 0.3, 14) + rng.normal(0, 0.2, (5, 14))
    seed, problem = np.indices(values_SN.shape)
    cells = pd.DataFrame({"y": values_SN.ravel(), "s": seed.ravel(), "p": problem.ravel()})
    table = anova_lm(ols("y ~ C(s) + C(p)", cells).fit())
    found = crossed(values_SN)
    assert (found.seeds, found.problems, found.rest) == pytest.approx(tuple(table["mean_sq"]))
    assert found.degrees == tuple(table["df"])


def test_wrong_answers_are_one_answer_however_they_are_written():
    """Three wrong answers in three writings win over two right ones."""
    texts = ["Yes", "yes", '"Yes."', "no", "no"]
    verdicts = [Verdict.WRONG] * 3 + [Verdict.RIGHT] * 2
    drawn = [
        Sample("p", "f", 1, "?", "no", i, text, verdict, text, 1)
        for i, (text, verdict) in enumerate(zip(texts, verdicts, strict=True))
    ]
    assert Evaluation(drawn).measures()["maj@5"] == {"p": 0.0}


def test_majority_by_hand():
    assert majority(["7", "8", "7", None], [True, False, True, False]) == 1
    assert majority(["7", "8", "9", "8"], [True, False, False, False]) == 0
    assert majority(["7", "8", "9", "8", "7"], [True, False, False, False, True]) == 0.5
    assert majority([None, None], [False, False]) == 0
    assert majority([], []) == 0
