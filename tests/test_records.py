"""What a run's folder says of itself is true: checkpoints, data, settings, and folders that cannot be written."""

import errno
import json
import shutil
import tempfile
from pathlib import Path

import pytest

from helpers.runs import SMALL, Silent, start
from outgrow.cli import main
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError
from outgrow.core.files import new_folder
from outgrow.runs.checkpoint import TornCheckpoint, newest_whole_checkpoint, read_checkpoint
from outgrow.train.loop import resume, train

SHORT = ["learn.steps=4", "run.checkpoint_every=2", "evaluate.every=0", "evaluate.suite=micro-lab"]


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
