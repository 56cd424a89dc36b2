"""Starting, killing and comparing small real runs. A fork server holds the imports, so that a start costs little."""

import hashlib
import json
import multiprocessing
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import torch

from outgrow.config import load_recipe
from outgrow.core.children import unblock_signals
from outgrow.core.errors import OutgrowError
from outgrow.engines.native.kv_cache import Cache
from outgrow.runs.signals import StopRequested
from outgrow.train.loop import resume, train
from outgrow.train.update import Learner
from outgrow.train.watcher import SilentWatcher

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["helpers.runs", "peft", "transformers.models.llama.modeling_llama"])

SMALL = [
    "learn.steps=18",
    "learn.problems_per_step=6",
    "learn.group_size=4",
    "learn.updates_per_step=2",
    "learn.lr=3e-4",
    "learn.schedule=cosine",
    "loss.kl_weight=0.01",
    "sampling.max_tokens=32",
    'problems=[{type="micro",fields=["sum","letters"],levels=[3,4],per_level=40}]',
    "evaluate.suite=held-out",
    "evaluate.samples=1",
    "evaluate.every=9",
    "evaluate.validation=held-out",
    "evaluate.validation_samples=1",
    "evaluate.validation_share=9.0",
    "run.threads=1",
    "run.checkpoint_every=3",
]

NONE_HELD_OUT = ["evaluate.suite=micro-validation", "evaluate.validation=micro-validation"]
"""Beside SMALL: the run practises all of its problems, and is not told that some are held out; measuring takes longer."""


class Silent(SilentWatcher):
    """A watcher that keeps what it is warned of."""

    def __init__(self):
        self.notes = []

    def warn(self, text):
        self.notes.append(text)


def go(path: Path, overrides=()):
    """Start the run, or go on with it where it exists (in a process of its own)."""
    try:
        if (path / "recipe.toml").exists():
            resume(path, [], Silent())
        else:
            train(load_recipe("micro", [*SMALL, *overrides]), path, Silent())
    except StopRequested as stop:
        sys.exit(stop.exit_code)
    except OutgrowError:
        sys.exit(1)


def go_short_of_memory(path: Path, overrides=()):
    """`go` where memory runs out twice, if the process gets there: in the generation of step 3, and in its update."""
    update, backward, empty = Learner.update, Learner._backward, Cache.empty
    last, failed = 0, set()

    def fail_once(what):
        if what not in failed:
            failed.add(what)
            raise torch.OutOfMemoryError("CUDA out of memory")

    def seen(self, groups, step, *rest):
        nonlocal last
        last = step
        return update(self, groups, step, *rest)

    def learned(self, rows, target):
        part = backward(self, rows, target)  # the gradient is there when the error comes
        if last == 3:
            fail_once("update")
        return part

    def cached(*args):
        if last == 2:
            fail_once("generation")
        return empty(*args)

    Learner.update, Learner._backward, Cache.empty = seen, learned, cached
    go(path, overrides)


def start(path: Path, overrides=(), target=go):
    """`go`, or another target, in a new process, which is returned running."""
    return start_process(target, path, overrides)


def start_process(target, *args):
    """Start a new process that hears signals.

    Python has one fork server for all tests of a process; where a lab has started it, it hears none, and nor do its children.
    """
    process = SERVER.Process(target=_hearing_signals, args=(target, *args))
    process.start()
    return process


def _hearing_signals(target, *args):
    unblock_signals()
    target(*args)


def signal_when(process, path: Path, step: int, delay: float, number: signal.Signals) -> int | None:
    """Send a signal `delay` seconds after metrics.jsonl has reached `step`. Returns the exit code."""
    metrics = path / "metrics.jsonl"
    while process.is_alive() and (metrics.read_bytes().count(b"\n") if metrics.exists() else 0) < step:
        time.sleep(0.002)
    time.sleep(delay)
    if process.is_alive():
        os.kill(process.pid, number)
    process.join()
    return process.exitcode


def fingerprint(run: Path) -> dict[str, object]:
    """Everything that must be equal, to the last bit, between an interrupted and an uninterrupted run."""
    latest = run / "checkpoints" / "latest"
    with sqlite3.connect(run / "ledger.sqlite") as db:
        ledger = {table: db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in ("problems", "visits")}
    return {
        "weights": {path.name: _sha256(path) for path in (latest / "policy").glob("*.safetensors")},
        "optimizer": _sha256(latest / "optimizer.safetensors"),
        "state": _state(latest / "state.json"),
        "ledger": ledger,
        "metrics": (run / "metrics.jsonl").read_bytes(),
        "looks": (run / "validation.jsonl").read_bytes() if (run / "validation.jsonl").exists() else b"",
        "worse": (run / "worse.json").read_bytes() if (run / "worse.json").exists() else b"",
        "rollouts": {path.name: pq.read_table(path).to_pylist() for path in sorted((run / "rollouts").iterdir())},
        "evaluations": {path.name: pq.read_table(path).to_pylist() for path in sorted((run / "evals").iterdir())},
    }


def assert_same(one: Path, other: Path):
    """Two runs are equal to the last bit; the first part that is not is named."""
    first, second = fingerprint(one), fingerprint(other)
    for name in first:
        assert first[name] == second[name], name


def _state(path: Path) -> dict[str, object]:
    """A checkpoint's state without its digests, and without its records of files that say when something was done."""
    state = json.loads(path.read_text())
    timed = ("timings.jsonl", "sessions.jsonl")
    records = {name: figures for name, figures in state["records"].items() if name not in timed}
    return {**{key: value for key, value in state.items() if key != "sha256"}, "records": records}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
