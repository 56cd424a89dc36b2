"""What is lost of a run's folder is noticed when it is continued: a checkpoint holds counts and digests of what belongs to it."""

import hashlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from helpers.runs import SMALL, Silent
from outgrow.config import load_recipe
from outgrow.core.errors import OutgrowError
from outgrow.runs.checkpoint import newest_whole_checkpoint
from outgrow.runs.records import AppendedLines, Records, losses
from outgrow.train.loop import resume, train

STEPS = 3
TINY = [*SMALL, f"learn.steps={STEPS}", "learn.problems_per_step=3", "evaluate.every=1", "run.checkpoint_every=1"]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that is asked for a step more than it has done."""
    path = tmp_path_factory.mktemp("loss") / "run"
    train(load_recipe("micro", TINY), path, Silent())
    return path


@pytest.fixture
def run(stopped, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(stopped, path, symlinks=True)
    return path


def further(run, **options):
    watcher = Silent()
    resume(run, [f"learn.steps={STEPS + 1}"], watcher, **options)
    return watcher.notes


def everything(run):
    return {str(path): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def without(run: Path, name: str) -> None:
    if (run / name).is_dir():
        shutil.rmtree(run / name)
    else:
        (run / name).unlink()


def test_the_records_are_those_of_the_files(run):
    """Counted here by other means: by SQL over all visits, by Parquet's rows, by the whole file's digest."""
    records = newest_whole_checkpoint(run)[0].state["records"]
    metrics = (run / "metrics.jsonl").read_bytes()
    assert records["metrics.jsonl"] == {"lines": STEPS, "bytes": len(metrics), "sha256": hashlib.sha256(metrics).hexdigest()}
    parts = sorted((run / "rollouts").iterdir())
    rollouts = sum(pq.read_metadata(part).num_rows for part in parts)
    assert records["rollouts"] == {"steps": len(parts)} == {"steps": STEPS}
    assert records["ledger.sqlite"]["rollouts"] == rollouts
    with sqlite3.connect(run / "ledger.sqlite") as db:
        visits = db.execute("SELECT step, n, right FROM visits").fetchall()
    assert records["ledger.sqlite"]["visits"] == len(visits)
    assert records["ledger.sqlite"]["right"] == sum(right for _, _, right in visits)
    assert records["ledger.sqlite"]["rollouts_by_step"] == sum(step * n for step, n, _ in visits)
    assert records["sessions.jsonl"] == {"lines": 1}
    assert {"validation.jsonl", "timings.jsonl", "data.parquet", "evals/before.parquet"} <= records.keys()


LOST = [
    "ledger.sqlite",
    "metrics.jsonl",
    "validation.jsonl",
    "timings.jsonl",
    "sessions.jsonl",
    "data.parquet",
    "rollouts",
    "evals",
]


@pytest.mark.parametrize("name", LOST)
def test_a_lost_file_is_named_and_nothing_is_written(run, name):
    without(run, name)
    was = everything(run)
    with pytest.raises(OutgrowError) as raised:
        further(run)
    assert name in str(raised.value) and "missing" in str(raised.value)
    assert f"outgrow resume {run} --accept-loss" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert everything(run) == was


def drop_last_line(run):
    path = run / "metrics.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def change_a_line(run):
    path = run / "metrics.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"train/lr": ', b'"train/lr": 1', 1))


def drop_a_part(run):
    (run / "rollouts" / "step-000001.parquet").unlink()


def drop_a_visit(run):
    """One of the first step: neither the newest, nor seen in a count of steps."""
    with sqlite3.connect(run / "ledger.sqlite") as db:
        db.execute("DELETE FROM visits WHERE (step, problem_id) IN (SELECT step, problem_id FROM visits WHERE step = 1 LIMIT 1)")


def swap_two_steps(run):
    """The same number of visits and rollouts, of other steps."""
    with sqlite3.connect(run / "ledger.sqlite") as db:
        db.execute("UPDATE visits SET step = 2 WHERE step = 1 AND problem_id NOT IN (SELECT problem_id FROM visits WHERE step = 2)")


def not_a_database(run):
    (run / "ledger.sqlite").write_bytes(b"x" * 5000)


CHANGES = {
    drop_last_line: (f"metrics.jsonl holds {STEPS - 1} of {STEPS} lines",),
    change_a_line: ("metrics.jsonl",),
    drop_a_part: (f"rollouts holds {STEPS - 1} of {STEPS} steps",),
    drop_a_visit: ("ledger.sqlite", f"of {STEPS * 12}"),
    swap_two_steps: ("ledger.sqlite",),
    not_a_database: ("ledger.sqlite",),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_part_that_is_lost_or_changed_is_noticed(run, change):
    change(run)
    with pytest.raises(OutgrowError) as raised:
        further(run)
    for words in CHANGES[change]:
        assert words in str(raised.value)


def test_a_folder_copied_without_the_write_ahead_log(run, tmp_path):
    """What rsync leaves of a database that is in use, where *-wal is excluded."""
    db = sqlite3.connect(run / "ledger.sqlite", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    last = db.execute("SELECT * FROM visits WHERE step = ?", (STEPS,)).fetchall()
    db.execute("DELETE FROM visits WHERE step = ?", (STEPS,))
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.executemany("INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?, ?)", last)  # these stand in the log only
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, symlinks=True, ignore=shutil.ignore_patterns("*-wal", "*-shm"))
    checkpoint, _ = newest_whole_checkpoint(run)
    assert not losses(run, checkpoint), "with its log the ledger is whole"
    with pytest.raises(OutgrowError, match=rf"ledger.sqlite holds {(STEPS - 1) * 12} of {STEPS * 12} rollouts"):
        further(copy)
    db.close()


@pytest.mark.parametrize("name", ["ledger.sqlite", "metrics.jsonl", "rollouts"])
def test_a_loss_can_be_accepted_and_is_recorded(run, name):
    without(run, name)
    [note] = [note for note in further(run, accept_loss=True) if f"{name} is missing" in note]
    assert note in [json.loads(line)["text"] for line in (run / "warnings.jsonl").read_text().splitlines()]
    checkpoint, _ = newest_whole_checkpoint(run)
    assert checkpoint.step == STEPS + 1
    assert not losses(run, checkpoint), "the next checkpoint is of what is there"


def test_a_moved_folder_is_whole(run, tmp_path):
    further(run.rename(tmp_path / "elsewhere"))


def test_what_is_added_later_is_no_loss(run):
    """A kill may come long after the checkpoint."""
    for name in ("metrics.jsonl", "timings.jsonl", "sessions.jsonl"):
        with (run / name).open("ab") as file:
            file.write(json.dumps({"step": STEPS + 1, "began": 1.0, "first_step": 2}).encode() + b"\n{")
    shutil.copy(run / "rollouts" / "step-000001.parquet", run / "rollouts" / f"step-{STEPS + 1:06d}.parquet")
    assert not losses(run, newest_whole_checkpoint(run)[0])


def test_growing_figures_are_those_of_a_fresh_look(run):
    """Kept step by step, and computed at once from the files; cut back in between."""
    kept = Records(run)
    kept.at(1)
    kept.at(2)
    assert kept.at(STEPS) == Records(run).at(STEPS)
    path = run / "metrics.jsonl"
    lines = AppendedLines(path)
    lines.figures()
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert lines.figures() == AppendedLines(path).figures()


def test_a_running_digest_reads_what_is_new_only(tmp_path, monkeypatch):
    """A long run pays for what a step adds: the bytes read are those of the file, once, however often it is asked."""
    path, read, update = tmp_path / "lines", [], hashlib.sha256

    class Counting:
        def __init__(self):
            self.inner = update()

        def update(self, part):
            read.append(len(part))
            self.inner.update(part)

        def hexdigest(self):
            return self.inner.hexdigest()

    monkeypatch.setattr("outgrow.runs.records.hashlib.sha256", Counting)
    lines = AppendedLines(path)
    for number in range(50):
        with path.open("ab") as file:
            file.write(b"x" * number + b"\n")
        figures = lines.figures()
    assert sum(read) == path.stat().st_size
    assert figures == {"lines": 50, "bytes": path.stat().st_size, "sha256": update(path.read_bytes()).hexdigest()}


def test_what_stands_in_place_of_a_file_is_named_and_not_waited_for(run):
    checkpoint = newest_whole_checkpoint(run)[0]
    for name in ("sessions.jsonl", "metrics.jsonl", "ledger.sqlite"):
        (run / name).unlink()
        os.mkfifo(run / name)
    texts = losses(run, checkpoint)
    assert all(any(name in text for text in texts) for name in ("sessions.jsonl", "metrics.jsonl", "ledger.sqlite"))


def test_a_ledger_that_is_a_view_is_not_summed(run):
    with sqlite3.connect(run / "ledger.sqlite") as db:
        db.executescript(
            "DROP TABLE visits; CREATE VIEW visits AS WITH RECURSIVE up(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM up) "
            "SELECT x AS step, 'p' AS problem_id, 1 AS n, 1 AS right FROM up"
        )
    db.close()
    [text] = losses(run, newest_whole_checkpoint(run)[0])
    assert "ledger.sqlite" in text and "tables" in text
