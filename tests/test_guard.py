"""A run made worse on purpose says so everywhere, ends with its last good checkpoint where asked, and loses nothing to a kill."""

import json
import re
import shutil
import signal
import time

import pytest

from helpers.report import Page, evaluation, save, write_recipe, write_steps
from helpers.runs import SMALL, Silent, fingerprint, start
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.core.json_lines import read_lines
from outgrow.evaluate.conditions import conditions
from outgrow.evaluate.decline import decline
from outgrow.evaluate.likely_cause import Cause
from outgrow.evaluate.look import Look, look_at, read_looks
from outgrow.evaluate.sample import Sample
from outgrow.evaluate.worse import Worse, early_end, read_worse
from outgrow.report import write_report
from outgrow.report.data import read_run
from outgrow.report.live.views import OpenRun
from outgrow.runs.checkpoint import newest_whole_checkpoint
from outgrow.runs.folder import RunFolder, read_recipe
from outgrow.runs.models import run_policy
from outgrow.train.guard import Guard
from outgrow.train.loop import resume, train
from outgrow.types import Problem, Verdict

HARM = [
    "learn.steps=6",
    "learn.lr=1e-2",
    "learn.schedule=constant",
    "learn.warmup=0",
    "evaluate.every=2",
    "run.checkpoint_every=1",
    "run.keep_checkpoints=2",
]
HARMLESS = ["learn.lr=1e-5", "learn.steps=4"]


@pytest.fixture(scope="module")
def harm(tmp_path_factory):
    """Settings of a run that gets worse, on 40 sums that micro-base mostly gets right."""
    file = tmp_path_factory.mktemp("held-out") / "sums.jsonl"
    pairs = [(11 + 2 * number, 97 - 3 * (number % 25)) for number in range(40)]
    file.write_text("".join(json.dumps({"question": f"{a}+{b}=?", "answer": str(a + b)}) + "\n" for a, b in pairs))
    return [*HARM, f"evaluate.validation={file}", f"evaluate.suite={file}"]


class Told(Silent):
    """A watcher that keeps what it is told of losses."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def worse(self, lines):
        self.losses.append(list(lines))


def trained(path, overrides):
    watcher = Told()
    train(load_recipe("micro", [*SMALL, *overrides]), path, watcher)
    return watcher


def steps_of(run):
    return sorted(int(path.name[5:]) for path in (run / "checkpoints").glob("step-*"))


@pytest.fixture(scope="module")
def harmless(harm, tmp_path_factory):
    """Four steps that change little, in a run that would stop."""
    path = tmp_path_factory.mktemp("harmless") / "run"
    watcher = trained(path, [*harm, *HARMLESS, "run.on_worse=stop"])
    assert watcher.losses == []
    return path


@pytest.fixture(scope="module")
def stopped(harm, tmp_path_factory):
    """A run that is worse at its first look, and ends with its base."""
    path = tmp_path_factory.mktemp("stopped") / "run"
    process = start(path, [*harm, "run.on_worse=stop"])
    process.join()
    assert process.exitcode == 0
    return path


def test_a_run_made_worse_says_so_everywhere(harm, outgrow, tmp_path):
    run = tmp_path / "run"
    sets = [part for override in [*SMALL, *harm] for part in ("--set", override)]
    code, shown, _ = outgrow("train", "micro", "--out", run, *sets)
    assert code == 0
    said = [line for line in shown.splitlines() if line.startswith("WORSE")]
    assert len(said) == 2, "once when it was seen during training, and once at the end"
    assert "step 3" in said[0] and "step 6" in said[1]
    assert shown.count("learning rate too high") == 2
    assert shown.count("--set learn.lr=0.0001") == 2, "KL rose by more than a nat per token, so a hundredth of 1e-2"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["worse"]["loss"]["high"] < 0
    assert summary["worse"]["loss"]["change"] == summary["paired_delta"]["pass@1"]
    assert [summary["worse"]["loss"]["low"], summary["worse"]["loss"]["high"]] == summary["paired_delta"]["ci95"]
    assert summary["worse"]["cause"]["setting"] == "learn.lr=0.0001"
    card = (run / "checkpoints" / "latest" / "policy" / "README.md").read_text()
    page = Page(run / "report.html")
    for text in (card, page.text):
        assert "WORSE" in text and "learning rate too high" in text and "learn.lr=0.0001" in text
    assert steps_of(run) == [5, 6], "a run that only warns keeps its newest checkpoints"


def test_a_look_is_the_metric_of_its_step_problem_by_problem(harmless):
    looks = read_looks(harmless / "validation.jsonl")
    rows = {row["step"]: row for row in read_lines(harmless / "metrics.jsonl")}
    assert [look.step for look in looks] == [step for step, row in rows.items() if "validation/pass_rate" in row] == [1, 3]
    for look in looks:
        share = sum(look.right.values()) / (look.k * len(look.right))
        assert share == pytest.approx(rows[look.step]["validation/pass_rate"])
    assert looks[0].conditions == looks[1].conditions


def test_a_harmless_run_says_nothing(harmless):
    assert read_worse(harmless) is None
    assert json.loads((harmless / "summary.json").read_text())["worse"] is None
    assert "WORSE" not in Page(write_report(harmless)).text
    assert "WORSE" not in (harmless / "checkpoints/latest/policy/README.md").read_text()


def test_a_run_that_stops_ends_with_its_last_good_policy(harmless, tmp_path):
    """Four harmless steps, then a rate that destroys the policy: what is left is the policy of the four steps, to the last bit."""
    run = tmp_path / "run"
    shutil.copytree(harmless, run, symlinks=True)
    watcher = Told()
    resume(run, ["learn.lr=1e-2", "learn.steps=12"], watcher)
    worse = early_end(run)
    assert worse is not None and (worse.step, worse.policy_step) == (7, 4)
    good = json.loads((harmless / "summary.json").read_text())["policy_sha256"]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["policy_sha256"] == run_policy(run).digest() == good
    assert (summary["steps"], summary["worse"]["policy_step"]) == (4, 4)
    assert summary["after"] == json.loads((harmless / "summary.json").read_text())["after"]
    assert (run / "checkpoints" / "latest").resolve().name == "step-000004"
    assert steps_of(run) == [4], "those of the worse policy are gone"
    newest, warnings = newest_whole_checkpoint(run)
    assert newest.step == 4 and warnings == []
    [lines] = watcher.losses
    assert "WORSE" in lines[0] and "step 4" in lines[1]
    assert [row["step"] for row in read_lines(run / "metrics.jsonl")] == list(range(1, 8)), "the fall can be looked at"
    assert "step 4" in (run / "checkpoints/latest/policy/README.md").read_text()


def test_the_last_good_checkpoint_outlives_the_newest(harm, tmp_path):
    """Looks every 5 steps, two checkpoints kept: step 5 is kept while 8 and 9 are written."""
    run = tmp_path / "run"
    trained(run, [*harm, *HARMLESS, "run.on_worse=stop", "evaluate.every=5", "learn.steps=9"])
    assert steps_of(run) == [5, 8, 9]


def test_resuming_a_run_that_ended_says_why_and_goes_on_when_changed(stopped, outgrow, tmp_path):
    run = shutil.copytree(stopped, tmp_path / "run", symlinks=True)
    before = (run / "summary.json").read_bytes()
    code, shown, _ = outgrow("resume", run)
    assert code == 0
    first = shown.splitlines()[0]
    assert "step 0" in first and "step 3" in first and f"outgrow resume {run} --set learn.lr=0.0001" in first
    for change in ("learn.steps=20", "evaluate.samples=2", "run.dollars_per_hour=1"):
        with pytest.raises(UsageError, match=change.partition("=")[0]):
            resume(run, [change], Silent())
    assert (run / "summary.json").read_bytes() == before
    watcher = Told()
    assert resume(run, ["learn.lr=1e-5"], watcher)
    assert watcher.losses == [] and early_end(run) is None
    assert json.loads((run / "summary.json").read_text())["steps"] == 6
    assert [look.step for look in read_looks(run / "validation.jsonl")] == [1, 3, 5]
    assert read_recipe(run)[1]["changed"][0] == {"after_step": 0, "settings": {"learn.lr": {"old": 0.01, "new": 1e-05}}}


def test_a_stopped_run_may_go_on_as_it_was(stopped, tmp_path):
    run = shutil.copytree(stopped, tmp_path / "run", symlinks=True)
    resume(run, ["run.on_worse=warn"], Silent())
    assert json.loads((run / "summary.json").read_text())["steps"] == 6
    worse = read_worse(run)
    assert worse is not None and worse.policy_step is None


def test_kills_around_the_end_of_a_worse_run_change_nothing(harm, stopped, tmp_path):
    """While it looks, while it goes back to its good checkpoint, while that is measured."""
    expected = fingerprint(stopped)
    for number, delay in enumerate((0.0, 0.02, 0.2)):
        path = tmp_path / str(number)
        process = start(path, [*harm, "run.on_worse=stop"])
        while process.is_alive() and not (path / "worse.json").exists():
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "a kill that came after the end proves nothing"
        last = start(path)
        last.join()
        assert last.exitcode == 0
        assert fingerprint(path) == expected, delay
        assert steps_of(path) == [0]


def test_a_torn_good_checkpoint_falls_back_to_the_one_before(harmless, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(harmless, run, symlinks=True)
    resume(run, ["learn.lr=1e-2", "learn.steps=12", "run.keep_checkpoints=4"], Silent())
    assert steps_of(run) == [3, 4]
    weights = run / "checkpoints" / "step-000004" / "policy" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    watcher = Silent()
    assert resume(run, [], watcher)
    assert any("torn" in note for note in watcher.notes)
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["steps"], early_end(run).policy_step) == (3, 3)
    assert summary["policy_sha256"] == run_policy(run).digest()
    shutil.rmtree(run / "checkpoints")
    assert resume(run, ["learn.steps=2"], Silent()), "begins again, as a run whose checkpoints are gone does"
    assert json.loads((run / "summary.json").read_text())["steps"] == 2


# The guard itself


def guard(run, *overrides, watcher=None):
    run.mkdir(exist_ok=True)
    recipe = load_recipe("micro", [*SMALL, "learn.steps=30", "evaluate.every=5", *overrides])
    return Guard(run, recipe, [[Problem("a", "sum", 1, "1+1=?", "2")]], watcher or Told())


def look(step, right, conditions="same"):
    return Look(step, conditions, 4, {str(number): right for number in range(30)})


def test_looks_are_compared_with_the_first_of_the_same_conditions(tmp_path):
    watcher = Told()
    watched = guard(tmp_path / "run", watcher=watcher)
    for step, right, digest in [(1, 4, "old"), (6, 1, "new"), (11, 1, "new"), (16, 1, "old")]:
        watched.ends(look(step, right, digest))
    assert [lines[0].partition(":")[0] for lines in watcher.losses] == ["WORSE"]
    assert "step 16" in watcher.losses[0][0]


def test_a_loss_is_said_when_it_is_new(tmp_path):
    watcher = Told()
    watched = guard(tmp_path / "run", watcher=watcher)
    seen = []
    for step, right in [(1, 4), (6, 1), (11, 1), (16, 4), (21, 2)]:
        watched.ends(look(step, right))
        seen.append(read_worse(tmp_path / "run") is not None)
    assert seen == [False, True, True, False, True]
    assert [re.search(r"step (\d+)", lines[0])[1] for lines in watcher.losses] == ["6", "21"]


def test_what_is_known_follows_from_the_disk(tmp_path):
    run = tmp_path / "run"
    watched = guard(run)
    for step, right in [(1, 4), (6, 3), (11, 1), (16, 1)]:
        watched.ends(look(step, right))
    again = guard(run)
    again.rewind(16)
    assert read_worse(run).step == 16 and again.good_step == watched.good_step == 0
    again.rewind(15)
    assert read_worse(run).step == 11
    again.rewind(5)
    assert read_worse(run) is None and [look.step for look in read_looks(run / "validation.jsonl")] == [1]


def test_without_a_checkpoint_from_before_the_run_goes_on(tmp_path):
    """As where run.on_worse is set only when it is resumed."""
    watcher = Told()
    watched = guard(tmp_path / "run", "run.on_worse=stop", watcher=watcher)
    (tmp_path / "run" / "checkpoints" / "step-000009").mkdir(parents=True)
    assert [watched.ends(look(step, right)) for step, right in [(1, 4), (6, 1)]] == [False, False]
    assert len(watcher.losses) == 1 and any("no checkpoint" in note for note in watcher.notes)


@pytest.mark.parametrize("overrides", [["evaluate.every=0"], ["evaluate.every=30"]])
def test_stopping_without_looks_to_compare_is_told(tmp_path, overrides):
    watcher = Told()
    assert not guard(tmp_path / "run", "run.on_worse=stop", *overrides, watcher=watcher).stops
    [note] = watcher.notes
    assert "evaluate.every" in note
    watcher = Told()
    guard(tmp_path / "run", *overrides, watcher=watcher)
    assert watcher.notes == []


def test_another_value_of_on_worse_is_refused():
    with pytest.raises(UsageError, match=r"run\.on_worse"):
        load_recipe("micro", ["run.on_worse=ignore"])


def test_other_problems_or_settings_are_other_conditions():
    recipe = load_recipe("micro", SMALL)

    def digest(problems, samples=4, seed=0):
        how = conditions(recipe, recipe.sampling, samples, seed)
        drawn = [
            Sample(problem.id, "sum", 1, problem.question, problem.answer, index, "", Verdict.RIGHT, "2", 3)
            for problem in problems
            for index in range(samples)
        ]
        return look_at(1, drawn, problems, how)

    one = [Problem("a", "sum", 1, "1+1=?", "2")]
    other = [Problem("a", "sum", 1, "1+1=?", "3")]
    assert digest(one) == digest(one)
    assert digest(one).right == {"a": 4}
    assert len({digest(one).conditions, digest(other).conditions, digest(one, 2).conditions, digest(one, seed=1).conditions}) == 4


# Pages


def worse_run(run, policy_step=None):
    write_recipe(run)
    write_steps(run, 12)
    save(run, "before", evaluation({1: 0.4}, seed=1))
    loss = decline(dict.fromkeys(range(30), 4), dict.fromkeys(range(30), 1), 4, 1)
    cause = Cause("<b>cause</b>", "some & evidence", "learn.lr=0.0001", "add problems")
    run_files = RunFolder(run)
    run_files.worse.write_text(json.dumps(Worse(11, loss, cause, policy_step).as_json()))
    return run


def test_the_page_of_a_run_in_training_says_worse_and_escapes_it(tmp_path):
    run = worse_run(tmp_path / "run")
    assert read_worse(run) == read_run(run).worse == OpenRun(run).view().read().worse
    page = Page(write_report(run))
    assert "WORSE: held-out problems got worse by step 11" in page.text
    assert ("div", {"class": "worse", "role": "note"}) in page.elements
    assert "<b>cause" not in page.source and "<b>cause</b>" in page.text
    assert "Unfinished" in page.text


def test_a_run_that_ended_early_is_finished_once_measured(tmp_path):
    run = worse_run(tmp_path / "run", policy_step=5)
    assert not read_run(run).finished
    save(run, "after", evaluation({1: 0.4}, seed=2))
    data = read_run(run)
    assert data.finished and data.last_step == 5
    page = Page(write_report(run))
    assert "Unfinished" not in page.text and "policy is that of step 5" in page.text


def test_a_damaged_record_is_named(tmp_path, outgrow):
    run = worse_run(tmp_path / "run")
    (run / "worse.json").write_text('{"step": 1}')
    code, _, said = outgrow("report", run)
    assert code == 1 and str(run / "worse.json") in said
