"""The log of a run: what it keeps of a training, over stops and resumes, and of a file that somebody else wrote."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import pytest

from helpers.runs import SMALL, Silent
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.runs.cost import Budget, BudgetReached
from outgrow.runs.folder import RunFolder, held
from outgrow.runs.log import MAX_CHARACTERS, MAX_LINES, RunLog, read_log
from outgrow.runs.signals import StopRequested
from outgrow.train.loop import resume, train

CUT = [*SMALL, "learn.steps=3", "learn.give_up_after=3", "sampling.max_tokens=2", "run.checkpoint_every=1", "evaluate.every=0"]
GOOD = {"time": "2026-11-29T06:29:03+00:00", "step": 1, "level": "warning", "text": "x", "dropped": 0}


class Told(Silent):
    """A watcher that keeps every warning as the terminal would show it."""

    def step(self, result, spent):
        if result.warning:
            self.notes.append(result.warning)


def written(run, steps, **levels):
    """A session that warns in every one of `steps`, as a run does."""
    log = RunLog(run)
    with log.session():
        log.begin(steps[0] - 1)
        for step in steps:
            log.step = step
            log.add("warning", f"step {step}: bad")


def test_every_warning_of_a_training_and_the_error_that_ended_it_are_kept_with_their_steps(tmp_path):
    run, watcher, began = tmp_path / "run", Told(), datetime.now(UTC)
    with pytest.raises(OutgrowError, match="max_tokens") as ended:
        train(load_recipe("micro", CUT), run, watcher)
    log = read_log(run)
    assert [line.text for line in log if line.level == "warning"] == watcher.notes
    assert [(line.level, line.step) for line in log] == [("start", 0), ("warning", 1), ("warning", 2), ("error", 2)]
    assert log[-1].text == str(ended.value)
    times = [datetime.fromisoformat(line.time) for line in log]
    assert times == sorted(times)
    assert (times[0] - began).total_seconds() > -1


def test_a_run_that_goes_back_is_warned_of_its_later_steps_once(tmp_path):
    run, again = tmp_path / "run", Told()
    first = [*CUT, "learn.steps=4", "learn.give_up_after=9", "run.checkpoint_every=2"]
    train(load_recipe("micro", first), run, Told())
    whole = [line.step for line in read_log(run) if line.level == "warning"]
    assert whole == [1, 2, 3, 4]
    for gone in ("step-000004", "latest"):
        (run / "checkpoints" / gone).rename(run / f"{gone}.away")
    resume(run, [], again)
    log = read_log(run)
    assert [line.step for line in log if line.level == "warning" and line.text.startswith("step ")] == [1, 2, 3, 4]
    assert [(line.text.split()[0], line.step) for line in log if line.level in ("start", "end")] == [
        ("started", 0), ("finished", 4), ("continued", 2), ("finished", 4),
    ]  # fmt: skip


def test_why_a_session_ended_stays_over_a_rewind(tmp_path):
    endings = {
        "end": [StopRequested(15), BudgetReached.__new__(BudgetReached), KeyboardInterrupt()],
        "error": [OutgrowError("no more"), ValueError("a fault"), RuntimeError()],
    }

    def ends(error):
        log = RunLog(tmp_path)
        with log.session():
            log.begin(0)
            log.step = 7
            raise error

    for level, errors in endings.items():
        for error in errors:
            with pytest.raises(type(error)):
                ends(error)
            assert (read_log(tmp_path)[-1].level, read_log(tmp_path)[-1].step) == (level, 7)
    written(tmp_path, [1, 2])
    texts = [line.text for line in read_log(tmp_path)]
    assert sum("SIGTERM" in text for text in texts) == sum("no more" in text for text in texts) == 1
    assert "ValueError: a fault" in texts and "RuntimeError" in texts


def test_a_run_that_its_budget_stopped_says_so_each_time(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(BudgetReached) as ended:
        train(load_recipe("micro", SMALL), run, Silent(), Budget(hours=1e-9))
    assert str(ended.value) in read_log(run)[-1].text
    with pytest.raises(BudgetReached):
        resume(run, ["learn.lr=1e-5"], Silent(), Budget(hours=1e-9))
    assert [line.level for line in read_log(run)] == ["start", "end"] * 2


def test_a_run_that_another_process_holds_gets_no_line(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(BudgetReached):
        train(load_recipe("micro", SMALL), run, Silent(), Budget(hours=1e-9))
    before = RunFolder(run).log.read_bytes()
    with held(run), pytest.raises(OutgrowError, match="another process"):
        resume(run, [], Silent())
    assert RunFolder(run).log.read_bytes() == before


def test_nothing_is_made_for_a_run_that_never_began(tmp_path):
    RunLog(tmp_path / "run").add("warning", "too early")
    with pytest.raises(UsageError):
        train(load_recipe("micro", [*SMALL, "evaluate.suite=nothing"]), tmp_path / "run", Silent())
    assert not (tmp_path / "run").exists()


def test_a_long_log_keeps_its_ends_and_counts_what_it_drops(tmp_path):
    total = 2 * MAX_LINES + 77
    written(tmp_path, range(1, total + 1))
    log = read_log(tmp_path)
    assert len(log) <= MAX_LINES
    assert len(log) + sum(line.dropped for line in log) == total + 2  # started, and finished
    steps = [line.step for line in log]
    assert steps[:4] == [0, 1, 2, 3] and steps[-3:] == [total - 1, total, total] and steps == sorted(steps)


def test_a_long_text_is_cut(tmp_path):
    log = RunLog(tmp_path)
    with log.session():
        log.add("warning", "a\nb" * MAX_CHARACTERS)
    assert len(read_log(tmp_path)[0].text) == MAX_CHARACTERS


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    RunFolder(tmp_path).log.mkdir()
    written(tmp_path, [1, 2])
    RunFolder(tmp_path).log.rmdir()
    RunFolder(tmp_path).log.write_text("[]\n")  # no lines of ours: they stay, and new ones follow
    written(tmp_path, [1, 2])
    assert len(RunFolder(tmp_path).log.read_text().splitlines()) == 5


def test_a_line_that_a_kill_cut_short_is_passed_over(tmp_path):
    written(tmp_path, [1])
    whole = read_log(tmp_path)
    with RunFolder(tmp_path).log.open("a") as file:
        file.write('{"time": "2026')
    assert read_log(tmp_path) == whole
    assert [asdict(line) for line in whole] == [json.loads(row) for row in RunFolder(tmp_path).log.read_text().splitlines()[:-1]]


BAD = [
    [], 5, None, {}, {**GOOD, "level": "fatal"}, {**GOOD, "step": "1"}, {**GOOD, "step": True}, {**GOOD, "text": ["x"]},
    {**GOOD, "time": "yesterday"}, {**GOOD, "time": 5}, {**GOOD, "time": "2026-11-29T06:29:03"}, {**GOOD, "more": 1},
    {**GOOD, "time": "0001-01-01T00:00:00+00:00"}, {**GOOD, "dropped": None},
]  # fmt: skip


@pytest.mark.parametrize("row", BAD)
def test_a_damaged_log_is_named(tmp_path, row):
    RunFolder(tmp_path).log.write_text(json.dumps(GOOD) + "\n")
    assert len(read_log(tmp_path)) == 1
    RunFolder(tmp_path).log.write_text(f"{json.dumps(GOOD)}\n{json.dumps(row)}\n")
    with pytest.raises(OutgrowError, match=r"log\.jsonl"):
        read_log(tmp_path)
