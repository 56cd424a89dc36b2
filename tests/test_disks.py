"""A disk that fails while a run writes is one line and an exit code, and the run continues exactly."""

import errno
import fcntl
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import SafetensorError, numpy
from tokenizers import Tokenizer
from tokenizers.models import BPE

import outgrow.cli
from helpers.runs import SMALL, Silent, fingerprint
from outgrow.config import load_recipe
from outgrow.core.disk import as_os_errors, fault_of
from outgrow.core.errors import OutgrowError, UsageError
from outgrow.core.files import is_empty
from outgrow.core.json_lines import append_line, read_lines
from outgrow.runs.folder import create_run, held
from outgrow.train.loop import resume, train

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TINY = [
    *SMALL, "learn.steps=3", "learn.schedule=constant", "learn.problems_per_step=3", "evaluate.every=0", "run.checkpoint_every=1",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_operations_that_fail_end_in_one_line_and_continue_exactly(tmp_path):
    """A share of what benchmarks/disk_faults.py does with every write, fsync, rename and statement of a run."""
    command = [
        sys.executable,
        "disk_faults.py",
        "--sample",
        "6",
        "--seed",
        "28",
        "--folder",
        str(tmp_path),
        "--table",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for path in tmp_path.glob("faults-*.jsonl") for line in path.read_text().splitlines()]
    assert len(rows) == 6
    assert not [row for row in rows if row["faults"]]
    assert any(row["status"] == 1 and row["operation"] for row in rows), "at least one was met"


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(errno.ENOSPC, "full"), "free some space"),
        (OSError(errno.EROFS, "read-only"), "writable"),
        (OSError(errno.EMFILE, "many"), "ulimit -n"),
        (OSError(errno.ENOLCK, "no locks"), "lock"),
        (sqlite_error(sqlite3.SQLITE_FULL), "free some space"),
        (sqlite_error(sqlite3.SQLITE_IOERR_FSYNC), "disk"),
        (sqlite_error(sqlite3.SQLITE_READONLY_DBMOVED), "writable"),
        (sqlite_error(sqlite3.SQLITE_CANTOPEN), "ulimit -n"),
        (sqlite_error(sqlite3.SQLITE_CANTOPEN_ISDIR), "writable"),
        (OSError(errno.ENOENT, "missing"), None),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), None),
        (ValueError("a fault of the program"), None),
    ],
    ids=repr,
)
def test_a_fault_of_the_machine_says_what_to_do_and_others_are_no_such_fault(error, advice):
    fault = fault_of(error)
    assert fault is None if advice is None else advice in fault


def test_errors_of_libraries_in_rust_are_those_of_the_machine(tmp_path):
    """Both libraries that write a policy, into a folder that is missing; one raises its own type, the other a bare Exception."""
    writers = (
        lambda path: Tokenizer(BPE()).save(str(path)),
        lambda path: numpy.save_file({"a": np.zeros(2)}, path),
    )
    for write in writers:
        with pytest.raises(Exception, match="os error 2") as raised:
            write(tmp_path / "missing" / "file")
        assert not isinstance(raised.value, OSError)
        with pytest.raises(FileNotFoundError), as_os_errors():
            write(tmp_path / "missing" / "file")
    with pytest.raises(SafetensorError, match="header"), as_os_errors():
        numpy.load(b"no tensors")


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), sqlite_error(sqlite3.SQLITE_FULL)], ids=repr)
def test_every_command_ends_a_fault_of_the_machine_in_one_line(monkeypatch, capsys, error):
    def fail():
        raise error

    monkeypatch.setattr(outgrow.cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        outgrow.cli.main()
    assert ended.value.code == 1
    assert re.fullmatch(r"outgrow: .+\n", capsys.readouterr().err)


@pytest.mark.parametrize("torn", [b'{"step": 2', b'{"step": 2, "long": "' + b"x" * 9000])
def test_half_a_line_is_dropped_before_the_next_is_appended(tmp_path, torn):
    """What a kill left: the next line would otherwise be a part of it, and the file could not be read any more."""
    path = tmp_path / "lines.jsonl"
    append_line(path, {"step": 1})
    with path.open("ab") as file:
        file.write(torn)
    append_line(path, {"step": 3})
    assert read_lines(path) == [{"step": 1}, {"step": 3}]
    path.write_bytes(torn)
    append_line(path, {"step": 4})
    assert read_lines(path) == [{"step": 4}]


def test_what_a_kill_left_of_the_first_file_does_not_take_the_folder(tmp_path):
    """The first file of a run or a profile is written under a temporary name; a kill in that moment leaves it."""
    (tmp_path / ".recipe.toml.0123456789abcdef.tmp").write_text("half")
    (tmp_path / ".profile.json.fedcba9876543210.tmp").write_text("half")
    assert is_empty(tmp_path)
    create_run(tmp_path, load_recipe("micro", TINY), {})
    assert not is_empty(tmp_path)
    with pytest.raises(UsageError, match="already exists"):
        create_run(tmp_path, load_recipe("micro", TINY), {})


def test_a_line_that_cannot_be_flushed_is_not_left_behind(tmp_path, monkeypatch):
    path = tmp_path / "lines.jsonl"
    append_line(path, {"step": 1})
    was = path.read_bytes()

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="output"):
            append_line(path, {"step": 2})
    assert path.read_bytes() == was


def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch):
    """Of NFS without its lock service: flock gives ENOLCK."""

    def fail(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OutgrowError, match="NFS"), held(tmp_path):
        pass


def test_a_clock_that_jumps_changes_no_result(tmp_path, monkeypatch):
    """Back by a year while a run is stopped, and at random while it works: what is compared holds no time."""
    train(load_recipe("micro", TINY), tmp_path / "whole", Silent())
    now, calls = 1.7e9, iter(range(10**6))
    monkeypatch.setattr("time.time", lambda: now + (-1) ** next(calls) * 4e7)
    path = tmp_path / "run"
    train(load_recipe("micro", [*TINY, "learn.steps=2"]), path, Silent())
    resume(path, ["learn.steps=3"], Silent())
    first, second = fingerprint(tmp_path / "whole"), fingerprint(path)
    for name in ("weights", "optimizer", "ledger", "metrics", "rollouts", "evaluations"):
        assert first[name] == second[name], name
