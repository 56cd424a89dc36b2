"""Trackers: every figure of metrics.jsonl reaches them, each step once, and none of them can hurt a run."""

import json
import os
import re
import signal
import sqlite3
import struct
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from helpers.runs import SMALL, Silent, signal_when, start
from outgrow.config import load_recipe
from outgrow.core.errors import UsageError
from outgrow.core.json_lines import append_line, read_lines
from outgrow.runs.trackers import TRACKERS, tracking
from outgrow.train.loop import resume, train

SHORT = [*SMALL, "learn.steps=18"]
STEPS = 18


def logged(run: Path) -> dict[int, dict[str, float]]:
    """Step -> figures, from metrics.jsonl: what every tracker must show."""
    return {row.pop("step"): row for row in read_lines(run / "metrics.jsonl")}


def in_tensorboard(run: Path) -> dict[int, dict[str, float]]:
    """Step -> figures, as TensorBoard itself reads its files. Fails where a step is shown twice."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    found: dict[int, dict[str, float]] = {}
    for name in events.Tags()["scalars"]:
        for event in events.Scalars(name):
            assert name not in found.setdefault(event.step, {}), f"{name} of step {event.step} comes twice"
            found[event.step][name] = event.value
    return found


def in_trackio(run: Path) -> list[tuple[int, dict[str, float]]]:
    """(step, figures), row by row, from trackio's database."""
    with sqlite3.connect(run / "trackio" / "outgrow.db") as db:
        rows = db.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
    assert {name for name, _, _ in rows} == {run.name}
    return [(step, json.loads(metrics)) for _, step, metrics in rows]


def in_wandb(file: Path) -> list[tuple[int, dict[str, float]]]:
    """(step, figures), row by row, from a W&B file: LevelDB's log format, a protocol buffer a record."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, record, found = file.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        size, kind = struct.unpack_from("<HB", data, place + 4)
        record += data[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            row = {"/".join(item.nested_key) or item.key: item.value_json for item in Record.FromString(record).history.item}
            if row:
                found.append((int(row["_step"]), {name: json.loads(text) for name, text in row.items() if name[0] != "_"}))
            record = b""
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The run without any tracker."""
    path = tmp_path_factory.mktemp("plain") / "run"
    train(load_recipe("micro", SHORT), path, Silent())
    return path


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The run with both trackers, killed behind its checkpoint of step 6 and taken to its end: two steps or more come twice."""
    path = tmp_path_factory.mktemp("killed") / "run"
    overrides = [f"learn.steps={STEPS}", "run.checkpoint_every=6", 'run.trackers=["tensorboard","trackio"]']
    assert signal_when(start(path, overrides), path, 8, 0.0, signal.SIGKILL) == -signal.SIGKILL
    assert (path / "checkpoints" / "latest").resolve().name == "step-000006"
    last = start(path)
    last.join()
    assert last.exitcode == 0
    return path


def test_tracking_leaves_the_metrics_as_they_are(plain, killed):
    assert (killed / "metrics.jsonl").read_bytes() == (plain / "metrics.jsonl").read_bytes()


def test_tensorboard_shows_every_figure_once(killed):
    expected = {step: {name: float(np.float32(value)) for name, value in row.items()} for step, row in logged(killed).items()}
    assert list(expected) == list(range(1, STEPS + 1))
    assert in_tensorboard(killed) == expected


def test_trackio_shows_every_figure_once(killed):
    rows = in_trackio(killed)
    assert [step for step, _ in rows] == list(range(1, STEPS + 1))
    assert dict(rows) == logged(killed)


@pytest.mark.skipif(find_spec("wandb") is None, reason="wandb is not installed; requirements-test.txt does not have it")
def test_wandb_without_a_key_keeps_every_figure_on_disk(plain, tmp_path):
    """In a process without any key, which is then offline; stopped by a signal and resumed."""
    hidden = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_") and key != "NETRC"}
    quiet = {**hidden, "HOME": str(tmp_path)}
    path = tmp_path / "run"
    args = [arg for override in [*SHORT, 'run.trackers=["wandb"]'] for arg in ("--set", override)]
    command = [sys.executable, "-m", "outgrow"]
    first = subprocess.Popen([*command, "train", "micro", "--out", path, *args], env=quiet)
    while len(read_lines(path / "metrics.jsonl")) < 5:
        assert first.poll() is None
    first.terminate()
    assert first.wait(timeout=60) == 128 + signal.SIGTERM
    subprocess.run([*command, "resume", path], env=quiet, timeout=120, check=True)
    sessions = sorted((path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert len(sessions) == 2
    assert {file.stem for file in sessions} == {f"run-{(path / 'wandb' / 'id').read_text()}"}
    rows = [row for file in sessions for row in in_wandb(file)]
    assert [step for step, _ in rows] == list(range(1, STEPS + 1))
    assert dict(rows) == logged(path)
    assert (path / "metrics.jsonl").read_bytes() == (plain / "metrics.jsonl").read_bytes()


class Kept:
    """A tracker that keeps what it is told."""

    package: ClassVar[str] = "json"
    told: ClassVar[list[object]] = []

    def start(self, run, recipe, resumed_at):
        self.told.append((recipe["name"], resumed_at))

    def log(self, step, metrics):
        self.told.append(step)

    def close(self):
        self.told.append("closed")


def breaking(method):
    """A tracker whose `method` raises."""

    def fail(self, *args):
        raise ConnectionError("the network is gone")

    return type("Broken", (Kept,), {method: fail, "told": []})


FAILURES = [("start", "to start"), ("log", "at step 4"), ("close", "to close")]


@pytest.mark.parametrize(("method", "when"), FAILURES)
def test_a_tracker_that_fails_is_told_once_and_left_out(tmp_path, monkeypatch, method, when):
    monkeypatch.setattr(Kept, "told", [])
    monkeypatch.setitem(TRACKERS, "broken", breaking(method))
    monkeypatch.setitem(TRACKERS, "kept", Kept)
    notes: list[str] = []
    with tracking(["broken", "kept"], tmp_path, {"name": "x"}, 3, notes.append) as track:
        for step in (4, 5):
            track({"step": step, "train/loss": 1.0})
    [note] = notes
    assert "broken" in note and when in note and "ConnectionError: the network is gone" in note
    assert Kept.told == [("x", 3), 4, 5, "closed"]


def test_a_run_goes_on_without_a_tracker_that_fails(plain, tmp_path, monkeypatch):
    monkeypatch.setitem(TRACKERS, "wandb", breaking("log"))
    watcher = Silent()
    train(load_recipe("micro", [*SHORT, 'run.trackers=["wandb"]']), tmp_path / "run", watcher)
    assert sum("wandb failed at step 1" in warn for warn in watcher.notes) == 1
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (plain / "metrics.jsonl").read_bytes()


def test_trackers_are_closed_when_a_run_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(Kept, "told", [])
    monkeypatch.setitem(TRACKERS, "kept", Kept)

    def stopped():
        with tracking(["kept"], tmp_path, {"name": "x"}, 3, print) as track:
            track({"step": 4, "train/loss": 1.0})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert Kept.told == [("x", 3), 4, "closed"]


@pytest.mark.parametrize("resumed_at", [0, 3])
def test_tensorboard_shows_the_later_of_two_writings(tmp_path, resumed_at):
    """Also where a run was killed before its first checkpoint and begins anew."""
    for behind, loss in ((0, 2.0), (resumed_at, 1.0)):
        with tracking(["tensorboard"], tmp_path, {}, behind, sys.exit) as track:
            for step in range(behind + 1, 6):
                track({"step": step, "train/loss": loss})
    assert in_tensorboard(tmp_path) == {step: {"train/loss": 2.0 if step <= resumed_at else 1.0} for step in range(1, 6)}


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "tensorboard").write_text("in the way")
    notes: list[str] = []
    with tracking(["tensorboard"], tmp_path, {}, 0, notes.append) as track:
        track({"step": 1, "train/loss": 1.0})
    assert len(notes) == 1
    assert re.match(r"tensorboard failed to start \(\w*Error: ", notes[0])


def test_trackio_is_brought_level_where_it_begins_late(tmp_path):
    """As after kill −9, or where a resumed run is the first to name it. In a process of its own: trackio reads its folder once."""
    for step in (1, 2, 3):
        append_line(tmp_path / "metrics.jsonl", {"step": step, "train/loss": 1 / step})
    program = (
        "import sys; from pathlib import Path; from outgrow.runs.trackers import tracking\n"
        "with tracking(['trackio'], Path(sys.argv[1]), {'name': 'x'}, 3, sys.exit) as track: track({'step': 4, 'train/loss': 0.25})"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], timeout=60, check=True)
    assert in_trackio(tmp_path) == [(step, {"train/loss": 1 / step}) for step in (1, 2, 3, 4)]


@pytest.mark.parametrize("command", ["train", "resume"])
def test_a_missing_package_is_told_before_training(tmp_path, monkeypatch, command):
    monkeypatch.setitem(TRACKERS, "wandb", type("Absent", (Kept,), {"package": "no_such_package"}))
    path = tmp_path / "run"
    if command == "resume":
        path.mkdir()
        (path / "recipe.toml").write_text('name = "x"\npolicy.model = "micro-base"\n')
        go = partial(resume, path, ['run.trackers=["wandb"]'])
    else:
        go = partial(train, load_recipe("micro", ['run.trackers=["wandb"]']), path)
    with pytest.raises(
        UsageError,
        match=re.escape(
            'run.trackers names wandb, whose package is not installed: pip install "outgrow[wandb]" '
            '(in a clone: pip install ".[wandb]")'
        ),
    ):
        go(Silent())
    assert not (path / "metrics.jsonl").exists()
