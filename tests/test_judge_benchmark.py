"""The benchmark of a judge: its values by hand and against scipy, the answers that it scores, and the command."""

import re
from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from helpers.judges import Says
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.rng import python_rng
from outgrow.core.rollout_log import write_part
from outgrow.judge.benchmark import canary_items, run_benchmark, sample_rollouts
from outgrow.judge.canaries import KINDS
from outgrow.judge.config import JudgeSection
from outgrow.judge.judge import Judge
from outgrow.judge.quality import ScoredAnswer, quality
from outgrow.runs.folder import write_recipe
from outgrow.train import judge_scores


def scored(*rows):
    """One answer a problem, (right, score) each."""
    return [ScoredAnswer(str(place), 1, right, score) for place, (right, score) in enumerate(rows)]


def test_figures_by_hand():
    found = quality(scored((True, 0.9), (True, 0.5), (False, 0.5), (False, 0.1), (True, None)))
    assert (found.n, found.problems, found.unscored, found.top_n) == (5, 5, 1, 1)
    assert found.auc.value == 0.875  # of four pairs three are in order, and one is a tie
    assert (found.mean_right.value, found.mean_wrong.value) == pytest.approx((0.7, 0.3))
    assert (found.right.value, found.top.value) == (0.5, 1.0)


def test_one_kind_alone_has_no_auc():
    found = quality(scored((True, 0.9), (True, 0.5)))
    assert (found.auc, found.mean_wrong) == (None, None)
    assert (found.mean_right.value, found.right.value) == pytest.approx((0.7, 1.0))
    assert quality(scored((True, None))).right is None


def noisy(count):
    rng = np.random.default_rng(3)
    right = rng.random(count) < 0.4
    return right, np.clip(0.3 * right + rng.normal(0.4, 0.25, count), 0, 1).round(2)


def test_intervals_are_those_of_scipy():
    right, scores = noisy(80)
    found = quality(scored(*zip(right.tolist(), scores.tolist(), strict=True)))

    def auc(scores, right):
        right = right == 1
        return stats.mannwhitneyu(scores[right], scores[~right]).statistic / (right.sum() * (~right).sum())

    def mean(scores, right):
        return scores[right == 1].mean()

    for estimate, statistic in ((found.auc, auc), (found.mean_right, mean)):
        assert estimate.value == pytest.approx(statistic(scores, right))
        theirs = stats.bootstrap(
            (scores, right), statistic, paired=True, vectorized=False, n_resamples=2000, method="percentile", rng=1
        ).confidence_interval
        width = theirs.high - theirs.low
        assert (estimate.low, estimate.high) == pytest.approx((theirs.low, theirs.high), abs=0.1 * width)


def test_answers_to_one_problem_count_as_one():
    """Each answer twice says nothing new of other problems; taken for twice as many problems it would seem to."""
    right, scores = noisy(60)
    once = scored(*zip(right.tolist(), scores.tolist(), strict=True))
    one, twice = quality(once), quality([*once, *once])
    for name in ("auc", "mean_right", "mean_wrong", "right"):
        assert astuple(getattr(one, name)) == pytest.approx(astuple(getattr(twice, name)))
    apart = quality([*once, *(ScoredAnswer(f"again {x.problem_id}", 1, x.right, x.score) for x in once)])
    assert apart.auc.high - apart.auc.low < 0.85 * (one.auc.high - one.auc.low)


# The answers that it scores


def row(problem, completion, verdict="wrong", field="sum", level=1):
    return {
        "problem_id": problem, "field": field, "level": level, "question": f"{problem}?", "completion": completion,
        "verdict": verdict, "answer": "7", "extracted": None, "score": 1.0,
    }  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """Makes a run with these rollouts, a list a step."""

    def make(*steps, name="run"):
        folder = tmp_path / name
        folder.mkdir()
        write_recipe(folder, load_recipe("micro"), {})
        for step, rows in enumerate(steps, 1):
            write_part(folder, step, rows)
        return folder

    return make


def test_fields_and_levels_come_in_turn_and_each_text_once(run):
    many = [row(f"p{place}", f"</think>{place}", level=1) for place in range(40)]
    few = [row(f"q{place}", "</think>1", "right", "letters", 3) for place in range(4)]
    cut = [row("r", "and so on", "truncated"), row("r", "?", "verifier failed")]
    folder = run([*many, *cut], [*few, *few, *many])
    found = sample_rollouts([folder], 12, seed=0)
    assert sorted(one["field"] for one in found) == ["letters"] * 4 + ["sum"] * 8
    assert len({(one["problem_id"], one["completion"]) for one in found}) == 12
    assert found == sample_rollouts([folder], 12, seed=0) != sample_rollouts([folder], 12, seed=1)
    assert len(sample_rollouts([folder], 500, seed=0)) == 44
    other = run([row("p0", "another answer")], name="other")
    assert len(sample_rollouts([folder, other], 500, seed=0)) == 45
    with pytest.raises(UsageError, match=r"sampling\.max_tokens"):
        sample_rollouts([run(cut, name="cut")], 5, seed=0)


@pytest.mark.parametrize(("completion", "inside"), [("hm</think>7", True), ("<think>hm</think>7", False), ("7", False)])
def test_canaries_close_the_thought_that_the_prompt_has_opened(completion, inside):
    kinds = canary_items([row(f"p{place}", completion) for place in range(40)], seed=0)
    assert set(kinds) <= set(KINDS) and {"empty", "opener", "echo", "stuffed"} <= set(kinds)
    assert [len(kinds[kind]) for kind in ("empty", "opener", "echo")] == [32, 32, 32]
    assert all(("</think>" in asked.completion) == inside for asked in kinds["echo"])
    assert all(asked.question in asked.completion for asked in kinds["echo"])


def test_each_answer_has_its_own_score():
    rows = [row("a", "good one", "right"), row("b", "bad"), row("c", "odd", "no answer", level=2)]
    judge = Judge(
        Says(lambda text, call, index: "hm" if text == "odd" else rf"\boxed{{{int('good' in text)}}}"),
        JudgeSection(model="m", rubric="{completion}"),
        seed=0,
    )
    found = run_benchmark(judge, rows, canary_items(rows, seed=0))
    assert found.answers == [ScoredAnswer("a", 1, True, 1.0), ScoredAnswer("b", 1, False, 0.0), ScoredAnswer("c", 2, False, None)]
    assert found.canaries["empty"] == [0.0] * 3
    with pytest.raises(OutgrowError, match="1 of 1 answers"):
        run_benchmark(judge, rows[2:], {})


# The command


@pytest.fixture
def ask(monkeypatch):
    """Puts a fake model in the place of every model, and keeps the sections that it is asked by."""
    sections = []

    def put(reply, identity):
        says = Says(reply)
        says.identity = identity
        monkeypatch.setattr(judge_scores, "judge_model", lambda section, warn: sections.append(section) or says)
        return says, sections

    return put


def graded(count):
    """Right answers end in a 7, and so does a part of the others."""
    random = python_rng("graded")
    rows = []
    for place in range(count):
        right = random.random() < 0.5
        end = 7 if right or random.random() < 0.2 else 8
        rows.append(row(f"p{place}", f"so {place}</think>{end}", "right" if right else "wrong", level=1 + place % 3))
    return rows


def test_the_command_tells_how_good_a_judge_is(run, outgrow, ask):
    rows = graded(90)
    folder = run(rows)
    says, sections = ask(lambda text, call, index: rf"\boxed{{{0.9 if text.endswith('>7') else 0.2}}}", "ends in 7")
    code, printed, complaint = outgrow("judge", "the-judge", folder, "--recipe", "micro-judged", "--answers", 60)
    assert code == 0
    assert all(line.startswith("scoring: ") for line in complaint.splitlines()), "no warning"
    [section] = sections
    assert (section.model, section.samples, section.max_tokens) == ("the-judge", 1, 104)
    chosen = sample_rollouts([folder], 60, seed=0)
    right = np.array([one["verdict"] == "right" for one in chosen])
    scores = np.array([0.9 if one["completion"].endswith("7") else 0.2 for one in chosen])
    auc = stats.mannwhitneyu(scores[right], scores[~right]).statistic / (right.sum() * (~right).sum())
    assert 0.8 < auc < 1

    def figure(name):
        return re.search(rf"{name} +([\d.]+) \(([\d.]+) to ([\d.]+)\)", printed).groups()

    assert "60 to 60 problems" in printed
    assert figure(r"ties half\)")[0] == f"{auc:.3f}"
    assert figure(r"\n right")[0] == f"{right.mean():.3f}"
    assert figure("of right answers")[0] == "0.900"
    assert figure("of wrong answers")[0] == f"{scores[~right].mean():.3f}"
    assert figure("the 6 best scores")[0] == f"{right[scores == 0.9].mean():.3f}", "all its favourites are alike"
    assert re.findall(r"^ +(\d) +20 +0 +0\.", printed, re.M) == ["1", "2", "3"]
    assert re.search(r"empty +32 +0 +0\.200 \(0\.200 to 0\.200\)", printed)
    # What was asked is kept.
    asked = len(says.calls)
    assert outgrow("judge", "the-judge", folder, "--recipe", "micro-judged", "--answers", 60)[:2] == (0, printed)
    assert len(says.calls) == asked
    outgrow("judge", "the-judge", folder, "--recipe", "micro-judged", "--answers", 60, "--fresh")
    assert len(says.calls) > asked


def test_without_a_recipe_the_rubric_is_the_default(run, outgrow, ask):
    def reply(text, call, index):
        return rf"\boxed{{{re.search('code ([0-9a-f]{6}) ', text)[1]} 1}}"

    _, sections = ask(reply, "always pleased")
    code, printed, _ = outgrow("judge", "http://there/v1", run([row("a", "x"), row("b", "y")]))
    assert code == 0
    assert sections == [JudgeSection(model="http://there/v1")]
    assert "there is no AUC" in printed
    assert re.search(r"empty +2 +0 +1\.000", printed)


def test_too_few_scores_are_told(run, outgrow, ask):
    ask(lambda text, call, index: r"\boxed{1}" if text.startswith("grade a?") else "I'd say good", "sometimes")
    code, printed, complaint = outgrow("judge", "m", run([row("a", "x"), row("b", "y"), row("c", "z")]), "--recipe", "micro-judged")
    assert code == 0
    assert re.search(r"no score +2 \(66\.7%\)", printed)
    assert "2 of 3 answers" in " ".join(complaint.split())


def test_a_mistake_is_one_clear_line(run, outgrow, ask, tmp_path):
    ask(lambda text, call, index: "hm", "nonsense")
    folder = run([row("a", "x")])
    for args, expected, said in [
        (["m", tmp_path / "nowhere"], 2, "no run here"),
        (["m", run(name="bare")], 2, "has no rollouts"),
        (["m", folder, "--recipe", "micro"], 2, "no table [judge]"),
        (["m", folder, "--recipe", "micro-judge"], 2, "no table [judge]"),
        (["m", folder, "--recipe", "micro-jugded"], 2, "did you mean 'micro-judged'"),
        (["m", folder], 1, "1 of 1 answers in 3 tries"),
    ]:
        code, _, complaint = outgrow("judge", *args)
        assert (code, len(complaint.strip().splitlines())) == (expected, 1), complaint
        assert said in complaint
    code, _, complaint = outgrow("judge", "m")
    assert (code, "Missing argument 'RUN...'" in complaint) == (2, True)


def test_a_judge_that_is_not_there_is_one_clear_line(run, outgrow):
    code, _, complaint = outgrow("judge", "runs/nobody", run([row("a", "x")]))
    assert (code, len(complaint.strip().splitlines())) == (2, 1)
    assert "runs/nobody: no such model" in complaint


def test_help_has_an_example(outgrow):
    code, printed, _ = outgrow("judge", "--help")
    assert code == 0
    assert "outgrow judge runs/micro-judge runs/micro" in printed
