"""What a run's folder says of itself is true: checkpoints, data, settings, and folders that cannot be written."""

import errno
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from helpers.runs import NONE_HELD_OUT, SMALL, Silent, start
from outgrow.cli import main
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.files import new_folder
from outgrow.evaluate import Evaluation
from outgrow.problems.suites import suite
from outgrow.problems.table import Table
from outgrow.runs.checkpoint import TornCheckpoint, newest_whole_checkpoint, read_checkpoint
from outgrow.runs.folder import read_recipe
from outgrow.train.loop import resume, train

pytestmark = pytest.mark.usefixtures("own_code")

SHORT = ["learn.steps=4", "run.checkpoint_every=2", "evaluate.every=0"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "run"
    process = start(path, SHORT)
    process.join()
    assert process.exitcode == 0
    return path


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a finished run, for a test to change."""
    return shutil.copytree(finished, tmp_path / "run", symlinks=True)


def unfinish(run):
    """Make it as a stop after step 2 leaves it."""
    shutil.rmtree(run / "checkpoints" / "step-000004")
    (run / "summary.json").unlink()
    (run / "evals" / "after.parquet").unlink()


# Checkpoints


def another_job(state):
    state["job"]["tokens_per_microbatch"] = {"size": 1, "start": 2}


def another_step(state):
    state["step"] = 3


def fewer_sums(state):
    del state["sha256"]["optimizer.safetensors"]


def without_own(state):
    del state["sha256"]["state.json"]


@pytest.mark.parametrize("harm", [another_job, another_step, fewer_sums, without_own])
def test_a_changed_state_is_torn(run, harm):
    file = run / "checkpoints" / "step-000004" / "state.json"
    state = json.loads(file.read_text())
    harm(state)
    file.write_text(json.dumps(state))
    with pytest.raises(TornCheckpoint, match=r"state\.json"):
        read_checkpoint(file.parent)
    checkpoint, [warning] = newest_whole_checkpoint(run)
    assert checkpoint.step == 2
    assert "step-000004" in warning
    assert "step 2" in warning


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("engine", [], "list"),
        ("job", None, "NoneType"),
        ("engine", {"max_sequences": {"start": 512, "size": "9"}}, r"engine\.max_sequences.*'9'"),
        ("engine", {"max_sequences": {"start": 512, "size": -1}}, r"engine\.max_sequences.*-1"),
        ("engine", {"layouts": ["mkl"]}, "layouts"),
    ],
)
def test_a_state_that_no_run_writes_is_told_in_one_line(run, key, value, told):
    """Its hashes are right: whoever writes a file can write its hash."""
    file = run / "checkpoints" / "step-000004" / "state.json"
    content = json.loads(file.read_text()) | {key: value}
    content["sha256"].pop("state.json")
    own = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    file.write_text(json.dumps({**content, "sha256": {**content["sha256"], "state.json": own}}))
    with pytest.raises(OutgrowError, match=f"step-000004.*{told}") as refused:
        resume(run, ["learn.steps=5"], Silent())
    assert "\n" not in str(refused.value)


def test_a_step_under_another_name_is_torn(run):
    shutil.rmtree(run / "checkpoints" / "step-000004")
    (run / "checkpoints" / "step-000002").rename(run / "checkpoints" / "step-000004")
    with pytest.raises(TornCheckpoint, match="step 2"):
        read_checkpoint(run / "checkpoints" / "step-000004")


def test_the_order_of_keys_in_a_state_does_not_matter(run):
    file = run / "checkpoints" / "step-000004" / "state.json"
    file.write_text(json.dumps(json.loads(file.read_text()), sort_keys=True, indent=4))
    assert read_checkpoint(file.parent).step == 4


def test_a_run_whose_checkpoints_are_all_torn_is_not_begun_again(run):
    for weights in run.glob("checkpoints/step-*/policy/model.safetensors"):
        weights.write_bytes(weights.read_bytes()[:-100])
    metrics = (run / "metrics.jsonl").read_bytes()
    with pytest.raises(OutgrowError, match=r"step-000004.*step-000002") as refused:
        resume(run, [], Silent())
    assert str(run / "checkpoints") in str(refused.value)
    assert (run / "metrics.jsonl").read_bytes() == metrics
    shutil.rmtree(run / "checkpoints")  # as the message says
    watcher = Silent()
    resume(run, [], watcher)
    assert any("4 steps" in note for note in watcher.notes)
    assert (run / "metrics.jsonl").read_bytes() == metrics


# Folders


def read_only(path, monkeypatch):
    """Refuse every new file in this folder, as a read-only file system does (root may write into any other)."""

    def refuse(dir):
        raise OSError(errno.EROFS, "Read-only file system", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


@pytest.mark.parametrize("command", [["resume"], ["drift", "--on", "micro-lab"]])
def test_a_run_that_cannot_be_written_is_one_line(run, outgrow, monkeypatch, command):
    read_only(run, monkeypatch)
    unfinish(run)
    code, _, said = outgrow(command[0], run, *command[1:])
    assert code == 1
    assert said.splitlines() == [line for line in said.splitlines() if str(run) in line and "Read-only" in line]


def test_a_profile_that_cannot_be_made_is_one_line(tmp_path, outgrow):
    (tmp_path / "file").touch()
    code, _, said = outgrow("passrate", "micro-base", "micro", "--out", tmp_path / "file" / "profile")
    assert code == 1
    [line] = said.strip().splitlines()
    assert str(tmp_path / "file" / "profile") in line


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC])
def test_permissions_and_a_full_disk_are_one_line_in_every_command(tmp_path, monkeypatch, capsys, number):
    def refuse(*_):
        raise OSError(number, "no", str(tmp_path / "out"))

    monkeypatch.setattr("outgrow.cli.app", refuse)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    [line] = capsys.readouterr().err.strip().splitlines()
    assert str(tmp_path / "out") in line


def test_a_bug_keeps_its_traceback(monkeypatch):
    def fail(*_):
        raise FileNotFoundError(errno.ENOENT, "no such file", "a")

    monkeypatch.setattr("outgrow.cli.app", fail)
    with pytest.raises(FileNotFoundError):
        main()


def test_a_run_in_the_folder_one_works_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = tmp_path.stat().st_ino
    train(load_recipe("micro", [*SMALL, *SHORT, "learn.steps=1"]), Path(), Silent())
    assert Path("summary.json").is_file()
    assert tmp_path.stat().st_ino == here


def test_a_new_folder_at_the_folder_one_works_in(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with new_folder(Path()) as unfinished:
        (unfinished / "file").touch()
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["file"]


# Settings that change between stop and resume


def rows(file):
    return [(sample.problem_id, sample.index, sample.text) for sample in Evaluation.load(file).samples]


CHANGED = {
    "evaluate.temperature=0.5": ("evaluate.temperature", 1.0, 0.5),
    "sampling.max_tokens=20": ("sampling.max_tokens", 32, 20),
    "evaluate.samples=2": ("evaluate.samples", 1, 2),
    "prompt.system=Add": ("prompt.system", "", "Add"),
    "verify.extract=['last_number']": ("verify.extract", ["boxed"], ["last_number"]),
}


@pytest.mark.parametrize("override", CHANGED)
def test_measuring_settings_measure_the_start_again(run, tmp_path, override):
    unfinish(run)
    key, old, new = CHANGED[override]
    first = Evaluation.load(run / "evals" / "before.parquet").conditions.settings()
    assert first[key] == old
    watcher = Silent()
    assert resume(run, [override], watcher)
    before, after = (Evaluation.load(run / "evals" / f"{when}.parquet") for when in ("before", "after"))
    assert before.conditions == after.conditions
    assert before.conditions.settings() == {**first, key: new}
    assert any(key in note and "before" in note for note in watcher.notes)
    other = tmp_path / "other"  # what a new run with these settings measures at its start
    start(other, [*SHORT, "learn.steps=1", override]).join()
    assert rows(other / "evals" / "before.parquet") == rows(run / "evals" / "before.parquet")
    [entry] = read_recipe(run)[1]["changed"]
    assert entry["after_step"] == 2
    assert list(entry["settings"]) == [key]


def test_another_suite_measures_the_start_on_it(run):
    unfinish(run)
    resume(run, ["evaluate.suite=micro-validation"], Silent())
    asked = [{row[0] for row in rows(run / "evals" / f"{when}.parquet")} for when in ("before", "after")]
    assert asked[0] == asked[1] == {problem.id for problem in suite("micro-validation").load()}


def test_settings_of_learning_leave_the_start_as_it_was_measured(run):
    unfinish(run)
    before = (run / "evals" / "before.parquet").stat().st_mtime_ns
    watcher = Silent()
    resume(run, ["learn.lr=1e-5"], watcher)
    assert (run / "evals" / "before.parquet").stat().st_mtime_ns == before
    [entry] = read_recipe(run)[1]["changed"]
    assert entry["settings"] == {"learn.lr": {"old": 0.0003, "new": 1e-05}}
    assert not any("measured again" in note for note in watcher.notes)


def test_the_curve_of_validation_is_told_to_change(run):
    unfinish(run)
    watcher = Silent()
    resume(run, ["evaluate.every=1", "evaluate.temperature=0.5"], watcher)
    assert any("step 2" in note and "evaluate.temperature" in note and "validation" in note for note in watcher.notes)


def content(run):
    return {str(file.relative_to(run)): file.read_bytes() for file in run.rglob("*") if file.is_file() and file.name != ".lock"}


@pytest.mark.parametrize("override", [*CHANGED, "learn.lr=1e-5", "run.dollars_per_hour=2.0"])
def test_a_finished_run_keeps_its_records(run, override):
    was = content(run)
    with pytest.raises(UsageError, match=r"finished after 4 steps.*outgrow eval"):
        resume(run, [override], Silent())
    assert content(run) == was


def test_a_finished_run_says_how_to_extend_it(run, outgrow):
    was = content(run)
    assert resume(run, [], Silent()) is False
    (run / "report.html").touch()
    code, printed, _ = outgrow("resume", run)
    assert code == 0
    [line] = printed.strip().splitlines()
    assert f"outgrow resume {run} --set learn.steps=8" in line
    assert {**was, "report.html": b""} == content(run)


def test_a_finished_run_that_is_extended_with_other_settings_is_measured_with_them(run):
    assert resume(run, ["learn.steps=5", "evaluate.temperature=0.5"], Silent())
    before, after = (Evaluation.load(run / "evals" / f"{when}.parquet") for when in ("before", "after"))
    assert before.conditions.sampling.temperature == after.conditions.sampling.temperature == 0.5
    assert json.loads((run / "summary.json").read_text())["steps"] == 5


def test_an_evaluation_that_cannot_be_read_is_made_again(run):
    unfinish(run)
    first = rows(run / "evals" / "before.parquet")
    (run / "evals" / "before.parquet").write_bytes(b"PAR1")
    watcher = Silent()
    resume(run, [], watcher)
    assert any("before.parquet" in note for note in watcher.notes)
    assert rows(run / "evals" / "before.parquet") == first


# Data that change between stop and resume


def write_rows(file, rows):
    file.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in rows))


OWN = [(f"{n}+{n}=?", str(2 * n)) for n in range(10, 22)]


@pytest.fixture
def own(tmp_path):
    """A run on files of its own, stopped after step 2: the run, its problems and its suite."""
    problems, held_out = tmp_path / "problems.jsonl", tmp_path / "suite.jsonl"
    write_rows(problems, OWN[:8])
    write_rows(held_out, OWN[8:])
    short = ["learn.steps=4", "run.checkpoint_every=2", "evaluate.every=0", f"evaluate.suite={held_out}"]
    train(load_recipe("micro", [*SMALL, *short, f"problems=[{{type='table',path='{problems}'}}]"]), tmp_path / "run", Silent())
    unfinish(tmp_path / "run")
    return tmp_path / "run", problems, held_out


def test_unchanged_data_are_not_told(own):
    run, *_ = own
    watcher = Silent()
    resume(run, [], watcher)
    assert watcher.notes == []
    assert "changed" not in read_recipe(run)[1]


def test_changed_problems_are_told_by_count_and_example(own):
    run, problems, _ = own
    kept = OWN[2:8]
    write_rows(problems, [(kept[0][0], "999"), *kept[1:], ("50+50=?", "100")])  # two removed, one changed, one added
    watcher = Silent()
    resume(run, [], watcher)
    [note] = watcher.notes
    id_of = {problem.question: problem.id for problem in Table(path=problems).load()}
    assert f"1 added ({id_of['50+50=?']!r})" in note
    assert f"1 changed ({id_of[kept[0][0]]!r})" in note
    assert "2 removed" in note
    [entry] = read_recipe(run)[1]["changed"]
    assert entry["after_step"] == 2
    assert "1 changed" in entry["data"][0]
    assert resume(run, [], watcher) is False  # finished


def test_a_changed_suite_is_told_and_the_start_is_measured_on_it(own):
    run, _, held_out = own
    write_rows(held_out, [*OWN[9:], ("60+60=?", "120")])
    watcher = Silent()
    resume(run, [], watcher)
    assert any("1 added" in note and "1 removed" in note and str(held_out.name) in note for note in watcher.notes)
    assert any("other problems" in note for note in watcher.notes)
    before, after = (Evaluation.load(run / "evals" / f"{when}.parquet") for when in ("before", "after"))
    assert before.pass_rates().keys() == after.pass_rates().keys() == {problem.id for problem in Table(path=held_out).load()}


SOURCE = """
from outgrow.problems.source import Source
from outgrow.types import Problem

class Sums(Source):
    type: str = "sums_of_mine:Sums"

    def load(self, warn=print):
        return [Problem(id=f"s{n}", field="sum", level=1, question=f"{n}+1=?", answer=str(n + 1)) for n in range(10, 30)]
"""


def test_changed_code_of_a_source_is_told(tmp_path, monkeypatch):
    (tmp_path / "sums_of_mine.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    recipe = load_recipe("micro", [*SMALL, *SHORT, *NONE_HELD_OUT, "problems=[{type='sums_of_mine:Sums'}]"])
    train(recipe, tmp_path / "run", Silent())
    unfinish(tmp_path / "run")
    (tmp_path / "sums_of_mine.py").write_text(SOURCE.replace("str(n + 1)", "str(n + 2)"))
    del sys.modules["sums_of_mine"]
    watcher = Silent()
    resume(tmp_path / "run", [], watcher)
    told = "\n".join(watcher.notes)
    assert "20 changed ('s10')" in told
    assert "code of sums_of_mine:Sums" in told
    assert "sums_of_mine.py" in told
