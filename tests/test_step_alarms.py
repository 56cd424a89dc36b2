"""The alarms of a run: each rings where its fault begins, once, says its figures, and survives a stop; healthy steps ring none."""

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from helpers.runs import NONE_HELD_OUT, SMALL, Silent
from outgrow.cli.progress import Terminal
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError
from outgrow.problems.micro.source import Micro
from outgrow.runs.cost import Spent
from outgrow.runs.folder import read_recipe
from outgrow.runs.warning_log import read_warnings
from outgrow.train.job import StepResult
from outgrow.train.known_verdicts import EVERY, KnownVerdicts
from outgrow.train.loop import resume, train
from outgrow.train.rl import RLJob
from outgrow.train.step_alarms import STEPS, StepAlarms
from outgrow.types import Graded, Problem, Verdict
from outgrow.verify import EXTRACTORS, Verifier

GAP = "train_infer_logprob_gap/mean"
GOOD = {
    "rollouts/count": 32, "rollouts/pass_rate": 0.5, "rollouts/truncated_frac": 0.0, "rollouts/no_answer_frac": 0.25,
    "rollouts/verifier_failed_frac": 0.0, "groups/mixed_frac": 0.5, "groups/trained_frac": 0.5, "reward/total": 0.5,
    "rollouts/mean_tokens": 20.0, "train/grad_norm": 1.0, GAP: 1e-7,
}  # fmt: skip


def rows(*changes):
    return [{"step": step, **GOOD, **change} for step, change in enumerate(changes, 1)]


def rings(steps, alarms=None):
    """Step -> alarms that begin in it."""
    alarms = alarms or StepAlarms(20, 48)
    return {row["step"]: texts for row in steps if (texts := alarms.observe(row))}


FAULTS = {
    "verifier fails": ({"rollouts/verifier_failed_frac": 0.5}, "the verifier fails"),
    "cut": ({"rollouts/truncated_frac": 0.9, "rollouts/pass_rate": 0.0}, "sampling.max_tokens=48"),
    "rejects": ({"rollouts/pass_rate": 0.0}, "75% wrong"),
    "constant": ({"groups/mixed_frac": 0.0, "groups/trained_frac": 0.0, "reward/total": 0.7}, "0.7"),
    "nothing to learn from": ({"groups/trained_frac": 0.0}, "ends after 20"),
    "no gradient": ({"train/grad_norm": 0.0}, "the gradient is 0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_rings_once_at_its_third_step_and_again_after_a_pause(name):
    fault, text = FAULTS[name]
    steps = rows({}, {}, *[fault] * 5, {}, *[fault] * 3, {})
    found = rings(steps)
    assert list(found) == [2 + STEPS, 8 + STEPS]
    for step, [alarm] in found.items():
        assert alarm.startswith(f"ALARM: step {step}:") and text in alarm and f"steps {step - 2}–{step}" in alarm


@pytest.mark.parametrize("name", FAULTS)
def test_two_steps_are_no_alarm(name):
    assert rings(rows(*[FAULTS[name][0], FAULTS[name][0], {}] * 5)) == {}


def test_the_same_reward_in_each_group_is_no_alarm_where_groups_differ():
    """A rule with a baseline of its own learns from such groups."""
    fault = {"groups/mixed_frac": 0.0}
    assert rings(rows(*[fault | {"reward/total": total} for total in (0.2, 0.4, 0.2, 0.6, 0.5)])) == {}


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([1e-7, 3e-7, 0.009, 0.0099], []),
        ([1e-7, 0.011, 0.02, 0.03], [2]),
        ([1e-7, 0.011, 0.001, 0.03], [2, 4]),
        ([0.002, 0.008, 0.019], []),  # rounding in bfloat16
        ([0.002, 0.008, 0.021], [3]),
        ([0.02, 0.04, 0.099], []),
        ([0.02, 0.04, 0.11], [3]),
        ([0.3], [1]),
    ],
)
def test_the_learner_is_far_from_its_engine(gaps, expected):
    found = rings(rows(*({GAP: gap} for gap in gaps)))
    assert list(found) == expected
    assert all(f"{gaps[0]:.2g}" in text for texts in found.values() for text in texts)


def test_an_update_between_writing_and_learning_is_no_alarm():
    """Rollouts that are written ahead are of older weights, as the recipe says: more than rounding, less than a broken engine."""
    gaps = [1e-7, 0.0096, 0.0068, 0.0103, 0.05, 0.2, 0.01]
    ahead = [{GAP: gap, "rollouts/steps_behind": min(1, place)} for place, gap in enumerate(gaps)]
    found = rings(rows(*ahead))
    assert list(found) == [6] and "set learn.ahead=0" in found[6][0] and "old_logprobs" not in found[6][0]


def test_a_step_without_an_update_has_no_gap():
    steps = rows({}, {}, {})
    for row in steps:
        del row[GAP], row["train/grad_norm"]
    assert rings(steps) == {}


@given(
    changes=st.lists(
        st.sampled_from([{}, {GAP: 0.5}, {GAP: 1e-3}, *(fault for fault, _ in FAULTS.values())]), min_size=1, max_size=25
    ),
    stop=st.integers(0, 25),
)
def test_a_run_that_was_stopped_rings_as_one_that_was_not(tmp_path_factory, changes, stop):
    steps = rows(*changes)
    file = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in steps[:stop]))
    alarms = StepAlarms(20, 48)
    alarms.rewind(file, stop)
    whole = rings(steps)
    assert rings(steps[stop:], alarms) == {step: texts for step, texts in whole.items() if step > stop}


def test_an_alarm_is_shown_after_many_warnings():
    screen = io.StringIO()
    with Terminal(Console(file=screen, width=200)) as terminal:
        terminal.training(0, 9)
        for step in range(1, 10):
            alarms = ["ALARM: late"] if step == 9 else []
            terminal.step(StepResult({"step": step, **GOOD}, {}, lambda: None, f"warning {step}", alarms), Spent(1.0, 0.0))
    assert "ALARM: late" in screen.getvalue() and "warning 5" not in screen.getvalue()


@pytest.mark.parametrize("name", sorted(EXTRACTORS))
@pytest.mark.parametrize("inside_think", [False, True])
def test_every_extractor_accepts_known_answers(name, inside_think):
    told = []
    problems = Micro(fields=("sum", "product"), per_level=9).load()
    verdicts = KnownVerdicts(Verifier([name]), [problems], inside_think)
    verdicts.warn_of_rejection(told.append)
    assert told == []
    assert sorted(verdicts.as_text().values()) == ["right"] * 8 + ["wrong"] * 8


def test_a_verifier_that_rejects_the_known_answers_of_a_source_is_told_with_an_example():
    numbers = Micro(fields=("sum",), per_level=5).load()
    words = [Problem(f"w{n}", "word", 0, "?", answer) for n, answer in enumerate(("red", "green", "blue", "black"))]
    told = []
    KnownVerdicts(Verifier(["last_number"]), [numbers, words], False).warn_of_rejection(told.append)
    [text] = told
    assert text.startswith("ALARM") and "4 known answers" in text and "number 2" in text and "verify.extract" in text


def test_problems_without_a_known_answer_are_not_asked():
    told = []
    verdicts = KnownVerdicts(Verifier(), [[Problem(f"p{n}", "essay", 0, "?", "") for n in range(9)]], False)
    verdicts.warn_of_rejection(told.append)
    assert told == [] and verdicts.as_text() == {}


def test_a_verifier_that_changes_is_told_once():
    class Changes(Verifier):
        lenient = False

        def grade(self, attempts, **options):
            grades = super().grade(attempts, **options)
            return [Graded(Verdict.RIGHT, grade.extracted) if self.lenient else grade for grade in grades]

    verifier = Changes()
    verdicts = KnownVerdicts(verifier, [Micro(fields=("sum",), per_level=9).load()], False)
    assert verdicts.changed(5) is None
    verifier.lenient = True
    text = verdicts.changed(10)
    assert "step 10" in text and "8 of 16" in text and "wrong → right" in text
    assert verdicts.changed(15) is None


SHORT = [*SMALL, "learn.steps=6", "run.checkpoint_every=3", "evaluate.every=0", "learn.updates_per_step=1"]


def lenient(monkeypatch):
    grade = Verifier.grade

    def graded(*args, **options):
        return [Graded(Verdict.RIGHT, each.extracted) if each.extracted else each for each in grade(*args, **options)]

    monkeypatch.setattr(Verifier, "grade", graded)


def test_a_verifier_that_changed_between_start_and_resume_is_told_and_recorded(tmp_path, monkeypatch):
    run, watcher = tmp_path / "run", Silent()
    train(load_recipe("micro", [*SHORT, *NONE_HELD_OUT, "learn.steps=3"]), run, Silent())
    lenient(monkeypatch)
    resume(run, ["learn.steps=4"], watcher)
    [text] = [note for note in watcher.notes if note.startswith("ALARM")]
    assert "7 changed" in text and "step 3" in text
    assert text in [line.text for line in read_warnings(run)]
    assert any("known answers" in entry.get("data", [""])[0] for entry in read_recipe(run)[1]["changed"])


def test_alarms_of_a_run_are_logged_with_their_step(tmp_path, monkeypatch):
    run, advance = tmp_path / "run", RLJob.advance

    def broken(job, step, check_stop):
        if step == 2:
            lenient(monkeypatch)
        return advance(job, step, check_stop)

    monkeypatch.setattr(RLJob, "advance", broken)
    train(load_recipe("micro", SHORT), run, Silent())
    [line] = [line for line in read_warnings(run) if "the verifier changed" in line.text]
    assert line.step == EVERY and line.text.startswith(f"ALARM: step {EVERY}:")


def test_a_run_whose_completions_are_all_cut_rings_before_it_gives_up(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(OutgrowError, match="nothing to learn from in 4 steps"):
        train(load_recipe("micro", [*SHORT, "sampling.max_tokens=2", "learn.give_up_after=4"]), run, Silent())
    [line] = [line for line in read_warnings(run) if line.text.startswith("ALARM")]
    assert line.step == STEPS and "sampling.max_tokens=2" in line.text


def test_a_metrics_file_that_cannot_be_read_is_named(tmp_path):
    file: Path = tmp_path / "metrics.jsonl"
    file.write_text("[]\n")
    with pytest.raises(OutgrowError, match=r"metrics\.jsonl"):
        StepAlarms(20, 48).rewind(file, 1)
