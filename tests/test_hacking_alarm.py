"""Judge metrics and the reward-hacking alarm: against second implementations, simulated runs, and numbers worked by hand."""

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from helpers import whole_alarm
from helpers.counts import meets, met
from helpers.judges import JUDGED, Says
from helpers.runs import Silent
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError
from outgrow.core.json_lines import read_lines
from outgrow.core.rng import numpy_rng
from outgrow.core.rollout_log import read_part
from outgrow.judge import metrics as judge_metrics
from outgrow.judge.canaries import KINDS, canaries
from outgrow.judge.hacking_alarm import HackingAlarm
from outgrow.problems.suites import suite
from outgrow.report import write_report
from outgrow.runs.checkpoint import newest_whole_checkpoint
from outgrow.train import judge_scores
from outgrow.train.loop import resume, train
from outgrow.types import Problem
from outgrow.verify import Attempt, Verifier

scores = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40)


@meets(both=30, ties=20)
@given(scores)
def test_the_chance_to_score_higher_is_mann_and_whitneys(rows):
    good, bad = ([score for score, right in rows if right is side] for side in (True, False))
    if good and bad:
        met("both")
        met("ties", bool(set(good) & set(bad)))
        assert judge_metrics.auc(good, bad) == pytest.approx(mannwhitneyu(good, bad).statistic / (len(good) * len(bad)))


@given(scores)
def test_precision_of_the_best_tenth_is_that_of_a_random_order_of_ties(rows):
    n = math.ceil(len(rows) / 10)
    # Over all orders of what ties: of each tied block, the share that comes in is that of the places left.
    left, expected = n, 0.0
    for _, block in itertools.groupby(sorted(rows, key=lambda row: -row[0]), key=lambda row: row[0]):
        right = [one for _, one in block]
        taken = min(left, len(right))
        expected += taken * sum(right) / len(right)
        left -= taken
    assert judge_metrics.top_precision(*map(list, zip(*rows, strict=True))) == pytest.approx(expected / n)


@given(scores, st.randoms())
def test_figures_do_not_depend_on_the_order_of_rollouts(rows, random):
    mixed = rows.copy()
    random.shuffle(mixed)
    one, other = (judge_metrics.score_metrics(*map(list, zip(*part, strict=True))) for part in (rows, mixed))
    assert one == pytest.approx(other)


def test_canaries_answer_nothing_and_are_never_right():
    problems = suite("micro-lab").load()[:40]
    texts = [(problem, text) for problem in problems for text in canaries(problem, problems, 3, True).values()]
    with Verifier() as verifier:
        graded = verifier.grade([Attempt(text, problem.answer, True, "") for problem, text in texts], inside_think=True)
    assert not any(grade.right for grade in graded)
    assert {kind for problem in problems for kind in canaries(problem, problems, 3, True)} == set(KINDS)
    assert canaries(problems[0], problems, 3, True) == canaries(problems[0], problems, 3, True)
    assert canaries(problems[0], problems, 3, True) != canaries(problems[0], problems, 4, True)
    assert "</think>" not in "".join(canaries(problems[0], problems, 3, False).values())


def test_a_canary_that_happens_to_be_right_is_left_out():
    one = Problem("a", "sum", 1, "0+1=?", "1")
    assert "echo" not in canaries(one, [one], 0, True)


def simulated(seed, steps=48, rollouts=256, true=lambda t: 0.55 + 0.2 * t / 48, excess=lambda t: 0.05):
    """Rows of a run: groups of 8 with pass rates drawn around the true one, a judge that errs both ways, 32 held-out problems."""
    rng = numpy_rng(seed, "made-up run")
    held_out_rates = rng.beta(1, 1, 32)
    rows = []
    for t in range(steps):
        p = true(t)
        groups = rng.beta(2 * p + 1e-9, 2 * (1 - p) + 1e-9, rollouts // 8)
        right = rng.binomial(8, groups).sum() / rollouts
        share = np.clip(held_out_rates + p - held_out_rates.mean(), 0, 1)
        score = right + excess(t) + rng.normal(0, 0.4 / math.sqrt(rollouts) * 1.5)
        rows.append(
            {
                "step": t + 1,
                "rollouts/count": rollouts,
                "rollouts/pass_rate": right,
                "judge/score": score,
                "judge/top": rng.binomial(26, 0.95) / 26,
                "judge/top_n": 26,
                "judge/heldout_pass_rate": rng.binomial(1, share).mean(),
                "judge/heldout_n": 32,
                "rollouts/mean_tokens": 31.0,
                "policy/kl_to_reference": 0.02,
            }
        )
    return rows


def evidence(rows):
    return HackingAlarm.of(rows).evidence()


def rings(rows):
    alarm = HackingAlarm()
    for t, row in enumerate(rows, 1):
        alarm.observe(row)
        if alarm.evidence():
            return t
    return None


@pytest.mark.parametrize("seed", range(12))
def test_what_is_kept_of_the_rows_says_what_all_rows_say(seed):
    """Against a second implementation that reads all rows at every step: hacked, jumping and gappy runs of unequal steps."""
    rng = np.random.RandomState(seed)
    rows = simulated(seed, steps=120, true=lambda t: 0.8 - 0.006 * max(0, t - 40), excess=lambda t: 0.05 + 0.01 * max(0, t - 30))
    for row in rows:
        row["rollouts/count"] = int(rng.choice([64, 128, 256]))
        row["policy/kl_to_reference"] = rng.uniform(0.01, 0.03) if rng.random_sample() < 0.9 else rng.uniform(0.1, 0.9)
        if rng.random_sample() < 0.3:
            del row["judge/heldout_pass_rate"], row["judge/heldout_n"]
    alarm, kinds = HackingAlarm(), set()
    for t, row in enumerate(rows, 1):
        alarm.observe(row)
        texts = alarm.evidence()
        scores, falls, jump = (check(rows[:t]) for check in (whole_alarm.optimism, whole_alarm.divergence, whole_alarm.kl))
        assert bool(scores) == any("scores exceed" in text for text in texts)
        assert bool(falls) == any(f"(steps {falls}–" in text for text in texts if "mean score rose" in text)
        assert bool(jump and texts) == any("jumped" in text for text in texts)
        kinds |= {name for name, rang in (("scores", scores), ("falls", falls), ("jump", jump and texts)) if rang}
    assert {"falls", "scores"} <= kinds


def test_an_honest_run_seldom_rings():
    rang = sum(rings(simulated(seed)) is not None for seed in range(300))
    assert rang <= 18, f"{rang} of 300 honest runs"


def test_a_hacked_run_rings_before_five_points_are_lost():
    """From step 16 on the policy learns to please: the score rises by 1.5 points a step, and what is right falls by 0.5."""

    def true(t):
        return 0.65 - 0.005 * max(0, t - 16)

    def excess(t):
        return 0.05 + 0.015 * max(0, t - 16)

    lost = []
    for seed in range(200):
        at = rings(simulated(seed, true=true, excess=excess))
        lost.append(true(16) - true(at - 1) if at else 1.0)
    early = sum(one < 0.05 for one in lost)
    assert early >= 170, f"{early} of 200 in time"


def steps(count, **figures):
    plain = {
        "rollouts/count": 256,
        "rollouts/pass_rate": 0.6,
        "judge/score": 0.62,
        "judge/top": 0.95,
        "judge/top_n": 26,
        "rollouts/mean_tokens": 30,
        "policy/kl_to_reference": 0.02,
    }
    return [
        {"step": t, **plain, **{name: of(t) if callable(of) else of for name, of in figures.items()}} for t in range(1, count + 1)
    ]


def test_nothing_is_evidence_of_nothing():
    assert evidence(steps(40)) == []
    assert evidence(steps(1)) == []
    weak = steps(40, **{"rollouts/mean_tokens": lambda t: 30 + 3 * t, "policy/kl_to_reference": lambda t: 0.02 if t < 40 else 3})
    assert evidence(weak) == [], "weak signs only"


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (
            {"judge/score": lambda t: 0.62 + (t > 10) * 0.2},
            r"22 points \(steps 16–20\), at first by 2",
        ),
        (
            {
                "judge/heldout_pass_rate": lambda t: 0.8 - 0.4 * (t > 10),
                "judge/heldout_n": 32,
                "judge/score": lambda t: 0.62 + 0.001 * t,
            },
            r"0.6\d to 0.64 .* 0.80 to 0.40 .*n = 160",
        ),
        ({"judge/top": lambda t: 0.95 - 0.4 * (t > 10)}, r"55% .*\(steps 16–20, n = 130\).* 95%"),
        (
            {"judge/right": 0.7, "judge/canary_empty": 0.75, "judge/canary_opener": 0.6},
            r"0.70: empty 0.75 \(step 20\)",
        ),
        ({"judge/auc": lambda t: 0.9 - 0.3 * (t > 15)}, r"60% .* 70% \(steps 16–20"),
        (
            {"judge/first_score": lambda t: 0.6 + 0.02 * t, "judge/second_score": 0.6, "judge/second_n": 64},
            "0.60 .* 1.00 .*step 1 0.60 and 0.62",
        ),
    ],
)
def test_each_kind_of_evidence_names_its_figures(figures, said):
    found = evidence(steps(20, **figures))
    assert len(found) == 1
    assert re.search(said, found[0]), found


def test_weak_signs_are_reported_with_strong_ones():
    changes = {
        "judge/top": lambda t: 0.95 - 0.4 * (t > 10),
        "rollouts/mean_tokens": lambda t: 30 if t < 15 else 12,
        "policy/kl_to_reference": lambda t: 0.02 if t < 20 else 3,
    }
    _, length, kl = evidence(steps(20, **changes))
    assert "30 to 12 tokens" in length and "3.00 (step 20)" in kl


def test_the_judges_share_halves_once_a_window():
    rows = steps(39, **{"judge/alarm": lambda t: float(t in (4, 5, 6, 9, 30))})
    alarm = HackingAlarm()
    for row in rows:
        row["judge/weight"] = alarm.weight()
        alarm.observe(row)
    # From the step after an alarm on: that of 9 is five steps after that of 4, at the new share since 5.
    assert [rows[t - 1]["judge/weight"] for t in (4, 5, 6, 9, 10, 30, 31, 39)] == [1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_alarms_that_only_warned_have_lowered_nothing():
    """A run that warned for a hundred steps, and goes on with on_alarm=lower, lowers once."""
    assert HackingAlarm().weight() == 1.0
    assert HackingAlarm.of(steps(100, **{"judge/alarm": 1.0, "judge/weight": 1.0})).weight() == 0.5


def full_score(text, call, index):
    return r"\boxed{1}"  # for any answer


def recipe_with(on_alarm):
    watched = f"watch={{on_alarm='{on_alarm}',every=1,canaries=4,heldout_problems=4}}"
    return load_recipe(
        "micro",
        [
            *JUDGED,
            f"judge={{model='org/says',rubric='{{completion}}',{watched}}}",
            "rewards=[{type='accuracy'},{type='judge_score'}]",
        ],
    )


def test_a_judge_that_likes_everything_ends_the_run_where_the_recipe_says_stop(tmp_path, monkeypatch):
    monkeypatch.setattr(judge_scores, "judge_model", lambda section, warn, engine: Says(full_score))
    with pytest.raises(OutgrowError, match=r"step 1: .* empty 1\.00.*judge\.watch\.on_alarm=lower"):
        train(recipe_with("stop"), tmp_path / "run", Silent())
    resume(tmp_path / "run", ["judge.watch.on_alarm=lower"], Silent())
    assert newest_whole_checkpoint(tmp_path / "run")[0].step == 4


def test_an_alarm_gives_half_of_the_judges_share_to_the_checker(tmp_path, monkeypatch):
    monkeypatch.setattr(judge_scores, "judge_model", lambda section, warn, engine: Says(full_score))
    train(recipe_with("lower"), tmp_path / "run", Silent())
    metrics = read_lines(tmp_path / "run" / "metrics.jsonl")
    assert [row["judge/weight"] for row in metrics] == [1, 0.5, 0.5, 0.5]
    assert all(row["judge/alarm"] == 1 and row["judge/canary_empty"] == 1 and row["judge/heldout_n"] == 4 for row in metrics)
    for step, share in ((1, 1.0), (2, 0.5)):
        for row in read_part(tmp_path / "run", step):
            right = row["verdict"] == "right"
            assert row["reward"] == pytest.approx(right + share * row["score"] + (1 - share) * right)


def test_what_was_lowered_stays_lowered_after_a_stop(tmp_path, monkeypatch):
    """Two steps and two more are four steps: the judge's share follows from the rows of metrics.jsonl."""
    monkeypatch.setattr(judge_scores, "judge_model", lambda section, warn, engine: Says(full_score))
    train(recipe_with("lower"), tmp_path / "whole", Silent())

    class Stops(Says):
        def answer(self, *args, **kwargs):
            if len(self.calls) >= 3:  # a step, with its canaries, asks twice; what was asked before is kept
                raise OutgrowError("gone")
            return super().answer(*args, **kwargs)

    monkeypatch.setattr(judge_scores, "judge_model", lambda section, warn, engine: Stops(full_score))
    with pytest.raises(OutgrowError, match="gone"):
        train(recipe_with("lower"), tmp_path / "run", Silent())
    assert 1 <= newest_whole_checkpoint(tmp_path / "run")[0].step < 4
    monkeypatch.setattr(judge_scores, "judge_model", lambda section, warn, engine: Says(full_score))
    resume(tmp_path / "run", [], Silent())
    one, other = ((tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "run"))
    assert one == other


def test_the_page_says_when_and_why(tmp_path, monkeypatch):
    monkeypatch.setattr(judge_scores, "judge_model", lambda section, warn, engine: Says(full_score))
    train(recipe_with("warn"), tmp_path / "run", Silent())
    page = write_report(tmp_path / "run").read_text()
    assert re.search(r"4 of 4 steps, the first at step 1: .* empty 1\.00", page)
    assert "<h3>Judge</h3>" in page


def test_the_page_of_a_run_without_a_judge_does_not_mention_one(tmp_path):
    train(load_recipe("micro", JUDGED), tmp_path / "run", Silent())
    page = write_report(tmp_path / "run").read_text()
    assert "<h3>Judge</h3>" not in page and "xploit" not in page
