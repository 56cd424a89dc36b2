"""Rollouts written ahead: by which weights, and that a run which was stopped or killed goes on to the same bytes."""

import json
import random
import shutil
import signal
import threading
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from helpers.runs import SMALL, Silent, assert_same, signal_when, start
from outgrow.config import load_recipe
from outgrow.core.errors import DAMAGED, OutgrowError, UsageError, first_line
from outgrow.core.metrics import pattern_of
from outgrow.core.rng import seed_from
from outgrow.engines import GenerationRequest, sync
from outgrow.policy import load_policy
from outgrow.runs.checkpoint import newest_whole_checkpoint
from outgrow.runs.signals import StopRequested
from outgrow.runs.warning_log import read_warnings
from outgrow.train import phase_clock
from outgrow.train.ahead import Collected, InBackground
from outgrow.train.loop import resume, train
from outgrow.train.rl import RLJob
from outgrow.train.update import Learner

STEPS = 12
AHEAD = ["learn.ahead=1", "learn.old_logprobs=learner", f"learn.steps={STEPS}"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("ahead") / "run"
    process = start(path, AHEAD)
    process.join()
    assert process.exitcode == 0
    return path


def metrics(path):
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_every_step_but_the_first_is_one_update_behind(uninterrupted):
    assert [row["rollouts/steps_behind"] for row in metrics(uninterrupted)] == [0] + [1] * (STEPS - 1)
    assert all(pattern_of(key) for row in metrics(uninterrupted) for key in row), "every figure is described"
    assert not any("far from its engine" in line.text for line in read_warnings(uninterrupted))
    assert all(row["train_infer_logprob_gap/mean"] < 0.5 for row in metrics(uninterrupted))


def test_the_weights_before_the_last_update_wrote_a_steps_rollouts(tmp_path):
    """Asked again of each checkpoint, with the same draws: the answers are of the step after the next, and not of the next."""
    path = tmp_path / "run"
    recipe = load_recipe(
        "micro", [*SMALL, *AHEAD, "learn.steps=4", "run.checkpoint_every=1", "run.keep_checkpoints=4", "learn.lr=3e-3"]
    )
    train(recipe, path, Silent())
    written = pq.read_table(path / "rollouts").to_pylist()
    engine = recipe.engine.build()
    differ = 0
    for done in (1, 2):
        policy = load_policy(path / "checkpoints" / f"step-{done:06d}" / "policy")
        sync(engine, policy, done)
        for step in (done + 1, done + 2):
            rows = [row for row in written if row["step"] == step]
            questions = {row["problem_id"]: row["question"] for row in rows}
            request = GenerationRequest(
                [policy.prompt_ids(question) for question in questions.values()],
                recipe.learn.group_size,
                recipe.sampling,
                [seed_from(recipe.seed, "rollout", step, problem) for problem in questions],
            )
            again = [rollout.text for group in engine.generate(request) for rollout in group]
            same = again == [row["completion"] for row in rows]
            if step == done + 2:
                assert same
            else:
                differ += not same
    assert differ, "the weights moved so little that the test cannot tell"


def test_sigterm(uninterrupted, tmp_path):
    rng = random.Random(1)
    path = tmp_path / "run"
    code = signal_when(start(path, AHEAD), path, rng.randint(1, STEPS - 4), rng.random() * 0.2, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    last = start(path)
    last.join()
    assert last.exitcode == 0
    assert_same(uninterrupted, path)


def test_kills(uninterrupted, tmp_path):
    rng = random.Random(7)
    path = tmp_path / "run"
    moments = sorted((rng.randint(1, STEPS - 1), rng.random() * 0.2) for _ in range(3))
    codes = [signal_when(start(path, AHEAD), path, step, delay, signal.SIGKILL) for step, delay in moments]
    assert codes.count(-signal.SIGKILL) >= 2, codes
    last = start(path)
    last.join()
    assert last.exitcode == 0
    assert_same(uninterrupted, path)


def test_what_was_written_ahead_is_dropped_where_it_is_no_longer_allowed(tmp_path):
    path, watcher = tmp_path / "run", Silent()
    code = signal_when(start(path, AHEAD), path, 5, 0.0, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    resume(path, ["learn.ahead=0"], watcher)
    assert any("24 rollouts that were written ahead are dropped" in note for note in watcher.notes)
    rows = metrics(path)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert "rollouts/steps_behind" in rows[2] and "rollouts/steps_behind" not in rows[-1]


def test_a_failure_while_writing_ahead_ends_the_step_before_anything_moved(tmp_path, monkeypatch):
    path, collect = tmp_path / "run", RLJob._collect

    def fail(self, step, check_stop, lap):
        if step == 4:
            raise OutgrowError("the engine is gone")
        return collect(self, step, check_stop, lap)

    monkeypatch.setattr(RLJob, "_collect", fail)
    with pytest.raises(OutgrowError, match="the engine is gone"):
        train(load_recipe("micro", [*SMALL, *AHEAD]), path, Silent())
    assert [row["step"] for row in metrics(path)] == [1, 2], "step 3 waited for the rollouts of step 4"
    monkeypatch.undo()
    whole = tmp_path / "whole"
    train(load_recipe("micro", [*SMALL, *AHEAD]), whole, Silent())
    resume(path, [], Silent())
    assert_same(whole, path)


def test_actors_that_end_behind_a_step_leave_its_checkpoint_whole(uninterrupted, tmp_path, monkeypatch):
    """They are found to have ended once the weights have moved: the run is saved behind that step, never before it."""
    path, sleep, update = tmp_path / "run", RLJob._sleep, Learner.update
    moved = []

    def learned(self, *rest):
        found = update(self, *rest)
        moved.append(found)
        return found

    def ended(self):
        if len(moved) == 5:
            raise OutgrowError("no actor is left")
        sleep(self)

    monkeypatch.setattr(Learner, "update", learned)
    monkeypatch.setattr(RLJob, "_sleep", ended)
    with pytest.raises(OutgrowError, match="no actor is left"):
        train(load_recipe("micro", [*SMALL, *AHEAD]), path, Silent())
    monkeypatch.undo()
    newest, _ = newest_whole_checkpoint(path)
    assert newest.step == len(metrics(path)) and len(moved) == 5
    resume(path, [], Silent())
    assert_same(uninterrupted, path)


class EndsAtOnce(Silent):
    """A watcher that ends a run before its next step."""

    def training(self, done, steps):
        raise OutgrowError("enough")


def test_what_was_written_ahead_is_kept_only_for_the_settings_that_wrote_it(uninterrupted, tmp_path):
    path, other = tmp_path / "run", tmp_path / "other"
    assert signal_when(start(path, AHEAD), path, 5, 0.0, signal.SIGTERM) == 128 + signal.SIGTERM
    shutil.copytree(path, other, symlinks=True)
    done, watcher = len(metrics(path)), Silent()
    resume(other, ["learn.group_size=8"], watcher)
    assert any("24 rollouts that were written ahead are dropped" in note and "group_size 4 → 8" in note for note in watcher.notes)
    assert metrics(other)[done]["rollouts/steps_behind"] == 0
    with pytest.raises(OutgrowError, match="enough"):
        resume(path, ["learn.ahead=0"], EndsAtOnce())
    watcher = Silent()
    resume(path, ["learn.ahead=1"], watcher)
    assert not any("dropped" in note for note in watcher.notes)
    assert_same(uninterrupted, path)


def test_waiting_for_what_is_written_ahead_is_time_of_writing(tmp_path, monkeypatch):
    """Also in a step that has nothing to learn from."""
    recipe, result, now = load_recipe("micro", [*SMALL, *AHEAD, "learn.steps=3"]), InBackground.result, [0.0]

    def waited(self):
        now[0] += 100
        return result(self)

    monkeypatch.setattr(phase_clock, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(InBackground, "result", waited)
    monkeypatch.setattr(type(recipe.advantage), "teaches", lambda *_: False)
    train(recipe, tmp_path / "run", Silent())
    steps = [row for row in map(json.loads, (tmp_path / "run" / "timings.jsonl").read_text().splitlines()) if "learning" in row]
    assert [(row["step"], row.get("generation", 0), row["learning"]) for row in steps] == [(1, 100, 0), (2, 100, 0), (3, 0, 0)]


GROUP = {
    "problem": {"id": "sum:1+1", "field": "sum", "level": 1, "question": "1+1=?", "answer": "2"},
    "rollouts": [{"prompt_ids": [1], "completion_ids": [2, 3], "logprobs": [-0.1, -1e-17], "finished": True, "text": "é\n"}],
    "graded": [{"verdict": "right", "extracted": None}],
    "step": 3,
    "seed": 0,
    "inside_think": False,
    "expected": {"problem": 0.1, "level": 1 / 3, "shortest_right": None},
    "max_tokens": 8,
}


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        {"step": 3},
        {"step": 3, "whole": [], "screened": []},
        {"step": 4, "whole": [GROUP], "screened": []},
        {"step": "3", "whole": [GROUP], "screened": []},
        {"step": 3, "whole": [{**GROUP, "rollouts": [{"prompt_ids": "no"}]}], "screened": []},
    ],
)
def test_a_damaged_queue_is_one_line(state):
    with pytest.raises(DAMAGED) as error:
        Collected.from_state(state)
    assert "\n" not in first_line(error.value) and "validation errors for" not in str(error.value)


def test_collecting_in_the_background_can_be_cancelled():
    began = threading.Event()

    def forever(check_stop):
        began.set()
        while True:
            check_stop()

    work = InBackground(forever, lambda: None)
    began.wait()
    work.cancel()
    assert not work._thread.is_alive()


def test_a_signal_reaches_what_is_written_ahead():
    def stopping():
        raise StopRequested(signal.SIGTERM)

    with pytest.raises(StopRequested):
        InBackground(lambda check_stop: check_stop(), stopping).result()


def test_a_checkpoint_holds_groups_to_the_last_bit(uninterrupted):
    newest, _ = newest_whole_checkpoint(uninterrupted)
    assert "ahead" not in newest.state["job"], "the last step writes nothing ahead"
    state = {"step": 3, "whole": [GROUP], "screened": []}
    collected = Collected.from_state(state)
    again = Collected.from_state(json.loads(json.dumps(collected.state_dict())))
    assert again == collected and again.whole[0].rollouts[0].logprobs == [-0.1, -1e-17] and again.rollouts == 1


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["learn.ahead=1"], "set learn.old_logprobs=learner"),
        (["learn.ahead=2", "learn.old_logprobs=learner"], "learn.ahead"),
        (
            ["learn.ahead=1", "learn.old_logprobs=learner", 'judge={model="runs/judge"}', 'rewards=[{type="hero"}]'],
            "learn.ahead = 1 writes while a judge would",
        ),
    ],
)
def test_what_cannot_be_is_refused(overrides, words):
    with pytest.raises(UsageError, match=words):
        load_recipe("micro", overrides)
