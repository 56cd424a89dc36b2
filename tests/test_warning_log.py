"""The warnings of a run on disk: what is kept of a training, over stops and resumes, and of a file that somebody else wrote."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from helpers.memory import memory_policy
from helpers.runs import NONE_HELD_OUT, SMALL, Silent
from outgrow.config import load_recipe, parse_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.runs.cost import Budget, BudgetReached
from outgrow.runs.folder import RunFolder, held
from outgrow.runs.warning_log import MAX_CHARACTERS, MAX_LINES, WarningLog, read_warnings
from outgrow.train import loop
from outgrow.train.logged import LoggedWatcher
from outgrow.train.loop import _filled, resume, train

CUT = [
    *SMALL,
    *NONE_HELD_OUT,
    "learn.steps=3",
    "learn.give_up_after=3",
    "sampling.max_tokens=2",
    "run.checkpoint_every=1",
    "evaluate.every=0",
]
GOOD = {"time": "2026-11-29T06:29:03+00:00", "step": 1, "text": "x", "dropped": 0}


class Told(Silent):
    """A watcher that keeps every warning as the terminal would show it."""

    def step(self, result, spent):
        if result.warning:
            self.notes.append(result.warning)


def written(run, steps):
    """A session that warns in every one of `steps`, as a run does."""
    log = WarningLog(run)
    log.open(steps[0] - 1)
    for step in steps:
        log.step = step
        log.add(f"step {step}: bad")


def test_every_warning_of_a_training_is_kept_with_its_step_and_time(tmp_path):
    run, watcher, began = tmp_path / "run", Told(), datetime.now(UTC)
    with pytest.raises(OutgrowError, match="max_tokens"):
        train(load_recipe("micro", CUT), run, watcher)
    log = read_warnings(run)
    assert [line.text for line in log] == watcher.notes and [line.step for line in log] == [1, 2]
    times = [datetime.fromisoformat(line.time) for line in log]
    assert times == sorted(times) and (times[0] - began).total_seconds() > -1


def test_a_run_that_goes_back_is_warned_of_its_later_steps_once(tmp_path):
    run = tmp_path / "run"
    train(load_recipe("micro", [*CUT, "learn.steps=4", "learn.give_up_after=9", "run.checkpoint_every=2"]), run, Told())
    assert [line.step for line in read_warnings(run)] == [1, 2, 3, 3, 4], "the third step in a row rings an alarm as well"
    for gone in ("step-000004", "latest"):
        (run / "checkpoints" / gone).rename(tmp_path / f"{gone}.away")
    resume(run, [], Told())
    assert [line.step for line in read_warnings(run)] == [1, 2, 3, 3, 4], "the third step in a row rings an alarm as well"


def test_a_run_whose_end_is_measured_by_a_second_session_tells_nothing_twice(tmp_path, monkeypatch):
    """As behind a learner of several ranks: the same process reads the run again, which has the same to say."""
    run, watcher, advance, measured = tmp_path / "run", Told(), loop._advance, []
    monkeypatch.setattr(loop, "_advance", lambda *arguments: advance(*arguments) or not measured.append(1))
    train(load_recipe("micro", [*SMALL, "learn.steps=3", "evaluate.every=1", "evaluate.validation_share=0.1"]), run, watcher)
    assert len(measured) == 1 and RunFolder(run).summary.exists()
    assert any("validation measures" in note for note in watcher.notes) and len(set(watcher.notes)) == len(watcher.notes)
    assert [line.text for line in read_warnings(run)] == watcher.notes


def test_what_a_resume_warns_of_is_kept(tmp_path):
    run, again = tmp_path / "run", Told()
    with pytest.raises(BudgetReached):
        train(load_recipe("micro", [*CUT, "learn.give_up_after=9"]), run, Told(), Budget(hours=1e-9))
    RunFolder(run).data.unlink()  # what the data were is not known any more
    recipe = RunFolder(run).recipe
    recipe.write_text(recipe.read_text().replace('numpy = "', 'numpy = "0.0'))  # and versions differ
    with pytest.raises(BudgetReached):
        resume(run, [], again, Budget(hours=1e-9), accept_loss=True)
    assert again.notes and [line.text for line in read_warnings(run)] == again.notes


def test_what_was_chosen_for_a_run_is_a_note_and_no_warning(tmp_path):
    watcher = LoggedWatcher(Silent(), tmp_path)
    _filled(parse_recipe({"name": "tiny", "policy": {"model": "micro-base"}}), memory_policy(), watcher)
    watcher.warn("bad")
    watcher.log.open(0)
    assert [(line.text[:19], line.note) for line in read_warnings(tmp_path)] == [("chosen for a model ", True), ("bad", False)]


def test_a_run_that_another_process_holds_gets_no_line(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(BudgetReached):
        train(load_recipe("micro", SMALL), run, Silent(), Budget(hours=1e-9))
    written(run, [1])
    before = RunFolder(run).warnings.read_bytes()
    with held(run), pytest.raises(OutgrowError, match="another process"):
        resume(run, [], Silent())
    assert RunFolder(run).warnings.read_bytes() == before


def test_nothing_is_made_for_a_run_that_never_began(tmp_path):
    WarningLog(tmp_path / "run").add("too early")
    with pytest.raises(UsageError):
        train(load_recipe("micro", [*SMALL, "evaluate.suite=nothing"]), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


def test_a_long_log_keeps_its_ends_and_counts_what_it_drops(tmp_path):
    total = 2 * MAX_LINES + 77
    written(tmp_path, range(1, total + 1))
    log = read_warnings(tmp_path)
    assert len(log) <= MAX_LINES
    assert len(log) + sum(line.dropped for line in log) == total
    steps = [line.step for line in log]
    assert steps[:3] == [1, 2, 3] and steps[-2:] == [total - 1, total] and steps == sorted(set(steps))


def test_a_long_text_is_cut(tmp_path):
    log = WarningLog(tmp_path)
    log.open(0)
    log.add("a\nb" * MAX_CHARACTERS)
    assert len(read_warnings(tmp_path)[0].text) == MAX_CHARACTERS


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    file = RunFolder(tmp_path).warnings
    file.mkdir()
    written(tmp_path, [1, 2])
    file.rmdir()
    file.write_text("[]\n")  # no line of ours: it stays, and new ones follow
    written(tmp_path, [1, 2])
    assert len(file.read_text().splitlines()) == 3


def test_a_line_that_a_kill_cut_short_is_passed_over(tmp_path):
    written(tmp_path, [1])
    whole, file = read_warnings(tmp_path), RunFolder(tmp_path).warnings
    with file.open("a") as writing:
        writing.write('{"time": "2026')
    assert read_warnings(tmp_path) == whole
    assert [asdict(line) for line in whole] == [json.loads(row) for row in file.read_text().splitlines()[:-1]]


BAD = [
    [], 5, None, {}, {**GOOD, "step": "1"}, {**GOOD, "step": True}, {**GOOD, "text": ["x"]}, {**GOOD, "time": "yesterday"},
    {**GOOD, "time": 5}, {**GOOD, "time": "2026-11-29T06:29:03"}, {**GOOD, "more": 1}, {**GOOD, "dropped": None},
    {**GOOD, "time": "0001-01-01T00:00:00+00:00"},
]  # fmt: skip


@pytest.mark.parametrize("row", BAD)
def test_a_damaged_log_is_named(tmp_path, row):
    file = RunFolder(tmp_path).warnings
    file.write_text(json.dumps(GOOD) + "\n")
    assert len(read_warnings(tmp_path)) == 1
    file.write_text(f"{json.dumps(GOOD)}\n{json.dumps(row)}\n")
    with pytest.raises(OutgrowError, match=r"warnings\.jsonl"):
        read_warnings(tmp_path)
