"""How a run starts and ends: what a failed start leaves, what the record of sessions says, and what is told of changes."""

import json
import os
import shutil
import signal
from contextlib import nullcontext
from pathlib import Path

import pytest

from helpers.report import Page
from helpers.runs import SMALL, Silent, start
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.files import new_folder
from outgrow.core.fresh_folder import FreshFolder, undone_on_failure
from outgrow.core.json_lines import read_lines
from outgrow.report import write_report
from outgrow.report.live.listing import Listing
from outgrow.runs.changed import changes_of
from outgrow.runs.cost import Budget, BudgetReached, Meter, Spent
from outgrow.runs.folder import RunFolder, read_recipe
from outgrow.runs.sessions import Session, read_sessions, recorded_session
from outgrow.runs.signals import StopRequested
from outgrow.train.loop import resume, train
from outgrow.train.rl import RLJob
from outgrow.train.sft import SFTJob

TINY = [*SMALL, "learn.steps=4", "run.checkpoint_every=1", "evaluate.every=0"]
SFT = [
    'policy={init={layers=1,hidden=16,heads=2,kv_heads=1,feed_forward=16}}', "learn.steps=3", "learn.batch_size=4", "run.threads=1",
    'problems=[{type="micro",fields=["sum"],levels=[3],per_level=8}]', "sampling.max_tokens=8", "evaluate.suite=micro-validation",
    "evaluate.samples=1",
]  # fmt: skip


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every entry below a folder, with the bytes of its files."""
    return {str(entry.relative_to(folder)): entry.read_bytes() if entry.is_file() else None for entry in folder.rglob("*")}


def go(path: Path, recipe=None, budget=None):
    watcher = Silent()
    train(recipe or load_recipe("micro", TINY), path, watcher, budget or Budget())
    return watcher


# A start that fails


class Pays(Exception):
    """A reward's own fault."""


ERRORS = [Pays("no such column"), OutgrowError("the judge does not answer"), OSError(28, "No space left"), MemoryError()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", ["advance", "rewind"])
def test_a_start_that_fails_leaves_no_folder(tmp_path, monkeypatch, error, place):
    def fail(*_):
        raise error

    monkeypatch.setattr(RLJob, place, fail)
    (tmp_path / "other").mkdir()
    was = everything(tmp_path)
    with pytest.raises((OutgrowError, Pays)) as raised:
        go(tmp_path / "runs" / "mine")
    assert everything(tmp_path) == was, "also the folder around it, which was made for it"
    assert "resume" not in str(raised.value), "there is nothing to resume"


def test_an_sft_start_that_fails_leaves_no_folder(tmp_path, monkeypatch):
    def fail(*_):
        raise OutgrowError("no")

    monkeypatch.setattr(SFTJob, "advance", fail)
    with pytest.raises(OutgrowError):
        go(tmp_path / "mine", load_recipe("micro-base", SFT))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_there_stays_and_is_empty_again(tmp_path, monkeypatch):
    monkeypatch.setattr(RLJob, "advance", lambda *_: 1 / 0)
    path = tmp_path / "mine"
    path.mkdir()
    number = path.stat().st_ino
    with pytest.raises(ZeroDivisionError):
        go(path)
    assert not list(path.iterdir()) and path.stat().st_ino == number


def test_a_table_without_the_column_leaves_no_folder(outgrow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"question": "1+1=?", "result": "2"}\n')
    problems = 'problems=[{type="table",path="rows.jsonl",answer="solution"}]'
    code, _, complaint = outgrow("train", "micro", "--set", problems)
    assert code == 2 and "solution" in complaint
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("stop", [StopRequested(signal.SIGTERM), BudgetReached(Spent(1, 0), "--budget 2h"), KeyboardInterrupt()])
def test_a_person_who_stops_the_start_may_continue(tmp_path, monkeypatch, stop):
    def fail(*_):
        raise stop

    path = tmp_path / "mine"
    with monkeypatch.context() as patch:
        patch.setattr(RLJob, "advance", fail)
        with pytest.raises(type(stop)):
            go(path)
    assert resume(path, [], Silent())


def test_a_failure_after_the_first_step_keeps_the_run(tmp_path, monkeypatch):
    path, advance = tmp_path / "mine", RLJob.advance

    def fail(job, step, check_stop):
        if step == 2:
            raise OutgrowError("the judge does not answer")
        return advance(job, step, check_stop)

    with monkeypatch.context() as patch:
        patch.setattr(RLJob, "advance", fail)
        with pytest.raises(OutgrowError):
            go(path)
    assert len(read_lines(path / "metrics.jsonl")) == 1
    with monkeypatch.context() as patch:
        patch.setattr(RLJob, "advance", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):  # a resume that fails at once removes nothing
            resume(path, [], Silent())
    assert resume(path, [], Silent())


def test_a_run_that_is_there_is_not_touched(tmp_path):
    path = tmp_path / "mine"
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        go(path)
    assert everything(tmp_path) == {"mine": None, "mine/notes.txt": b"mine"}


def test_undo_leaves_what_others_put_there(tmp_path):
    outer = FreshFolder.of(tmp_path / "runs" / "a")
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "b").mkdir()  # by another process
    outer.undo()
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == ["b"]
    full = FreshFolder.of(tmp_path / "runs")
    (tmp_path / "runs" / "c").mkdir()
    full.undo()
    assert sorted(entry.name for entry in (tmp_path / "runs").iterdir()) == ["b", "c"]


def test_work_that_can_be_continued_is_not_undone(tmp_path):
    def fail(path, began):
        with undone_on_failure(FreshFolder.of(path), lambda: began):
            path.mkdir()
            raise ValueError("x")

    for began in (True, False):
        with pytest.raises(ValueError, match="x"):
            fail(tmp_path / str(began), began)
        assert (tmp_path / str(began)).exists() == began


def test_a_new_folder_that_fails_takes_its_parents_along(tmp_path):
    with pytest.raises(ValueError, match="x"), new_folder(tmp_path / "a" / "b" / "c"):
        raise ValueError("x")
    assert not list(tmp_path.iterdir())


# Sessions


def one_session(path, number, error):
    with recorded_session(path, number, lambda: number + 1):
        assert read_sessions(path)[-1] == Session(read_sessions(path)[-1].began, number), "it has begun, and not ended"
        if error:
            raise error


def test_each_end_is_recorded(tmp_path):
    files = RunFolder(tmp_path)
    ends = [
        (None, "finished", ""),
        (BudgetReached(Spent(1.5, 3.0), "--budget 3h"), "budget", "1 h 30 min and $3.00"),
        (StopRequested(signal.SIGTERM), "signal", "SIGTERM"),
        (KeyboardInterrupt(), "signal", "second signal"),
        (OutgrowError("line one\nline two"), "error", "line one"),
    ]
    for number, (error, end, reason) in enumerate(ends):
        with nullcontext() if error is None else pytest.raises(type(error)):
            one_session(tmp_path, number, error)
        session = read_sessions(tmp_path)[-1]
        assert (session.end, session.first_step, session.step) == (end, number, number + 1)
        assert reason in session.reason and "line two" not in session.reason
        assert session.ended >= session.began
    assert len(files.sessions.read_text().splitlines()) == len(ends)
    assert read_sessions(tmp_path)[1].next_command("runs/a") == "outgrow resume runs/a --budget 3h"


def test_a_record_that_is_damaged_is_named(tmp_path):
    (tmp_path / "sessions.jsonl").write_text('{"bgan": 1}\n')
    with pytest.raises(OutgrowError, match=r"sessions\.jsonl"):
        read_sessions(tmp_path)


def stop_after_two_steps(path):
    """A run of 4 steps that stops at a budget of 2 hours; an hour a step stands in for the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Meter, "spent", lambda meter: Spent(float(meter._step), 0.0))
        with pytest.raises(BudgetReached):
            go(path, budget=Budget(hours=2))


def test_a_run_stopped_by_its_budget_says_so_everywhere(tmp_path, outgrow):
    path = tmp_path / "run"
    stop_after_two_steps(path)
    [session] = read_sessions(path)
    assert (session.end, session.first_step, session.step) == ("budget", 0, 2)
    page = Page(write_report(path)).text
    command = f"outgrow resume {path} --budget 4h"
    assert "stopped by its budget after 2 h" in page and command in page
    row = Listing(path.parent).row(path.name)
    assert (row.state, row.ending) == ("stopped", "stopped by its budget after 2 h")
    assert f"{path}: stopped by its budget after 2 h; continue with: {command}" in outgrow("runs", tmp_path)[1].splitlines()
    code, printed, _ = outgrow("resume", path)
    assert code == 0 and "stopped by its budget after 2 h" in printed
    assert [session.end for session in read_sessions(path)] == ["budget", "finished"]
    page = Page(write_report(path)).text
    assert "stopped by its budget" not in page and "outgrow resume" not in page
    assert Listing(path.parent).row(path.name).state == "finished"


def test_a_session_that_was_killed_has_no_end(tmp_path):
    path = tmp_path / "run"
    process = start(path, [*TINY, "learn.steps=400"])
    while not read_lines(path / "metrics.jsonl"):
        process.join(0.05)
        assert process.is_alive()
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    [session] = read_sessions(path)
    assert session.end is None and session.ended is None
    assert "no recorded end" in Page(write_report(path)).text
    assert "killed" in session.sentence()


# What was changed


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """A run that was resumed after step 2 with another rate and another number of steps."""
    path = tmp_path_factory.mktemp("changed") / "run"
    stop_after_two_steps(path)
    resume(path, ["learn.lr=1e-5", "learn.steps=5", "run.trackers=[]"], Silent())
    return path


def test_a_change_is_kept_with_its_step_and_both_values(changed):
    [entry] = read_recipe(changed)[1]["changed"]
    assert entry == {"after_step": 2, "settings": {"learn.lr": {"old": 3e-4, "new": 1e-5}, "learn.steps": {"old": 4, "new": 5}}}


def test_a_change_is_on_the_page_on_the_card_and_in_the_curves(changed):
    page = Page(write_report(changed))
    rows = page.table("what")
    assert rows["learn.lr"] == ["after step 2", "0.0003 → 1e-05"]
    assert rows["learn.steps"] == ["after step 2", "4 → 5"]
    assert "learn.lr 0.0003 → 1e-05" in page.text
    marked = [figure for figure in page.figures() if figure["layout"].get("shapes")]
    assert len(marked) > 5, "every learning curve"
    for figure in marked:
        assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [2.5]
        assert "learn.lr 0.0003 → 1e-05" in figure["layout"]["annotations"][0]["text"]
    card = (changed / "checkpoints" / "latest" / "policy" / "README.md").read_text()
    assert "| learn.lr | after step 2 | 0.0003 → 1e-05 |" in card


def test_a_run_without_changes_has_no_marks(tmp_path):
    go(tmp_path / "run")
    page = Page(write_report(tmp_path / "run"))
    assert not any(figure["layout"].get("shapes") for figure in page.figures())
    assert "resumed" not in page.text


def test_changes_that_steps_done_again_overtake_move_with_them(changed, tmp_path):
    """Where checkpoints after a change are lost, its steps are done again with the new settings."""
    path = tmp_path / "run"
    shutil.copytree(changed, path, symlinks=True)
    (path / "summary.json").unlink()
    kept = sorted(folder.name for folder in (path / "checkpoints").glob("step-*"))
    recipe = (path / "recipe.toml").read_text()
    (path / "recipe.toml").write_text(recipe.replace("after_step = 2", "after_step = 4"))
    for name in kept[1:]:
        (path / "checkpoints" / name / "optimizer.safetensors").write_bytes(b"torn")
    resume(path, [], Silent())
    [step] = {change.after_step for change in changes_of(read_recipe(path)[1])}
    assert step == int(kept[0].removeprefix("step-")) == 3


def test_other_versions_are_recorded_once(changed, tmp_path, monkeypatch):
    path = tmp_path / "run"
    shutil.copytree(changed, path, symlinks=True)
    text = (path / "recipe.toml").read_text()
    [version] = [line for line in text.splitlines() if line.startswith("mpmath = ")]
    (path / "recipe.toml").write_text(text.replace(version, 'mpmath = "0.1"'))
    for steps in (6, 7):
        resume(path, [f"learn.steps={steps}"], Silent())
    versions = [change for change in changes_of(read_recipe(path)[1]) if "mpmath" in change.what]
    assert [(change.after_step, change.text.split(" → ")[0]) for change in versions] == [(5, '"0.1"')]


def test_what_cannot_be_read_is_named():
    with pytest.raises(OutgrowError, match="changed"):
        changes_of({"changed": [{"settings": {}}]})
    assert changes_of({}) == []
    assert json.dumps([str(change) for change in changes_of({"changed": [{"after_step": 1, "data": ["suite a: 1 added"]}]})])
