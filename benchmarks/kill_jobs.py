"""What benchmarks/kills.py kills: small runs of every kind of work, how each continues, and what must come out equal."""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_RL = (
    "learn.steps=6", "learn.problems_per_step=4", "learn.group_size=4", "learn.lr=3e-4", "learn.give_up_after=99",
    "sampling.max_tokens=24", "evaluate.suite=held.jsonl", "evaluate.samples=1", "evaluate.every=3",
    "evaluate.validation=held.jsonl", "evaluate.validation_samples=1", "evaluate.validation_share=99.0", "run.threads=1",
    "run.checkpoint_every=2", 'problems=[{type="micro",fields=["sum","letters"],levels=[3,4],per_level=20}]',
)  # fmt: skip
_HELD = {"held.jsonl": "".join(json.dumps({"question": f"{n} + {n + 3}", "answer": str(2 * n + 3)}) + "\n" for n in range(20))}
"""Few held-out problems, since measuring is the same work however many there are."""
_SMALL_NET = "policy={init={layers=1,hidden=32,heads=2,kv_heads=1,feed_forward=32}}"
_SFT = (
    _SMALL_NET, "learn.steps=12", "learn.batch_size=8", "sampling.max_tokens=16", "evaluate.suite=held.jsonl",
    "evaluate.samples=1", "run.threads=1", "run.checkpoint_every=4",
)  # fmt: skip
_WHEEL = """
kind = "flywheel"
name = "tiny"
generations = 2
patience = 2
suite = "held.jsonl"
samples = 2
[data]
k = 4
"""
_WHEEL_STAGE = """
[{stage}]
recipe = "{recipe}"
run.threads = 1
run.checkpoint_every = 5
sampling.max_tokens = 8
evaluate.validation = "held.jsonl"
problems = [{{ type = "table", path = "train.jsonl", solution = "solution", level = "level" }}]
{more}
"""
_WHEEL_SFT = """learn = { steps = 40, batch_size = 16, lr = 1e-2 }
policy.init = { layers = 1, hidden = 48, heads = 2, kv_heads = 1, feed_forward = 64 }"""
_WHEEL_RL = """learn = { steps = 3, problems_per_step = 4, group_size = 3, give_up_after = 99 }
evaluate.every = 0"""
_WHEEL_STAGES = (
    ("teacher_base", "micro-base", _WHEEL_SFT), ("teacher", "micro", f"{_WHEEL_RL}\npolicy.lora = {{ rank = 2 }}"),
    ("base", "micro-base", _WHEEL_SFT), ("student", "micro", _WHEEL_RL),
)  # fmt: skip


def _wheel() -> dict[str, str]:
    """Return a flywheel's recipe, with problems that ask whether a number is even, so that a guess is right half of the time."""
    rows = [
        json.dumps({"question": f"{n}?", "answer": str(1 + n % 2), "solution": "ab"[n % 2], "level": 1 + n // 100}) + "\n"
        for n in range(10, 200)
    ]
    stages = (_WHEEL_STAGE.format(stage=stage, recipe=recipe, more=more) for stage, recipe, more in _WHEEL_STAGES)
    held = rows[::5]
    return {
        "tiny.toml": _WHEEL + "".join(stages),
        "held.jsonl": "".join(held),
        "train.jsonl": "".join(row for row in rows if row not in held),
    }


_LAB = """
title = "A small one"
question = "Does anything change?"
recipe = "micro"
seeds = 2
baseline = "uniform"
set = [{settings}]
measures = [{{ type = "rollouts_to", target = 0.5 }}]
arms = [
    {{ name = "uniform", set = ["curriculum={{type='uniform'}}"] }},
    {{ name = "frontier", set = ["curriculum={{type='frontier'}}"] }},
]
"""

_TIMES = {"wall_s", "seconds", "dollars", "created", "hours", "finished"}
"""Keys of JSON whose values differ between any two runs."""
_LOGS = {"timings.jsonl", "actors.jsonl", "sessions.jsonl", "warnings.jsonl", "lab.jsonl"}
"""Files that say when something was done."""
_SHOWN = {".html", ".md", ".png", ".svg"}
"""Pages and cards, which hold times and are made from the files that are compared."""


@dataclass(frozen=True)
class Work:
    """A command that is killed."""

    command: tuple[str, ...]
    """Arguments of `outgrow`, in a working folder of its own."""
    run: str = ""
    """The folder that `outgrow resume` continues; empty where the same command continues."""
    files: dict[str, str] = field(default_factory=dict)
    """Files of the working folder, by name."""

    def arguments(self, folder: Path) -> tuple[str, ...]:
        """Return the arguments of the next call in this working folder: to start, or to continue."""
        return ("resume", self.run) if self.run and (folder / self.run / "recipe.toml").exists() else self.command


def _train(recipe: str, settings: tuple[str, ...], command: str = "train") -> Work:
    return Work((command, recipe, "--out", "run", *_sets(settings)), "run", _HELD)


def _sets(settings: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part for key in settings for part in ("--set", key))


WORKS: dict[str, Work] = {
    "rl": _train("micro", _RL),
    "lora": _train("micro", (*_RL, "policy.lora={rank=2}")),
    "scorers": _train(
        "micro", (*_RL, 'problems=[{type="reasoning_gym",task="basic_arithmetic",count=12}]', "sampling.max_tokens=48")
    ),
    "sft": _train("micro-base", _SFT, "sft"),
    "flywheel": Work(("flywheel", "tiny.toml", "--out", "wheel"), files=_wheel()),
    "passrate": Work(("passrate", "micro-base", "micro", "--out", "profile", "--samples", "4", "--limit", "60")),
    "eval": Work(("eval", "micro-base", "--on", "micro-validation", "--samples", "2", "--out", "samples.parquet")),
    "data": Work(
        ("data", "micro-base", "micro", "--out", "data", "--set", "data.k=2", "--limit", "60", "--on", "micro-validation")
    ),
    "lab": Work(
        ("lab", "small.toml", "--processes", "2", "--docs", "docs"),
        files={"small.toml": _LAB.format(settings=", ".join(map(json.dumps, _RL))), **_HELD},
    ),
}  # fmt: skip


def fingerprint(folder: Path) -> dict[str, str]:
    """Return name -> digest of all that must be equal between a killed and an undisturbed working folder.

    Hidden files, caches, logs of times and pages are not compared; nor are the times in JSON.
    """
    digests = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if hidden or not path.is_file() or path.name in _LOGS or path.suffix in _SHOWN or name.parts[0] == "cache":
            continue
        if any(part.startswith("step-") and part != _latest(path) for part in name.parts if "checkpoints" in name.parts):
            continue  # which older checkpoints are kept depends on where a run was continued
        digests[str(name)] = hashlib.sha256(_content(path)).hexdigest()
    return digests


def _latest(path: Path) -> str:
    checkpoints = next(parent for parent in path.parents if parent.name == "checkpoints")
    return (checkpoints / "latest").resolve().name


def _content(path: Path) -> bytes:
    read = _READERS.get(path.name) or _READERS.get(path.suffix)
    return read(path) if read else path.read_bytes()


def _database(path: Path) -> bytes:
    with sqlite3.connect(path) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        rows = {table: sorted(map(repr, _without_times(db, table))) for table in tables}
    db.close()
    return json.dumps(rows).encode()


def _without_times(db: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    cursor = db.execute(f'SELECT * FROM "{table}"')
    names = [column[0] for column in cursor.description]
    kept = [place for place, name in enumerate(names) if name not in {*_TIMES, "at", "recipe", "result"}]
    return [tuple(row[place] for place in kept) for row in cursor]


def _json(path: Path) -> bytes:
    return json.dumps(_timeless(json.loads(path.read_bytes())), sort_keys=True).encode()


def _lines(path: Path) -> bytes:
    """Return the results of a lab in the order of their keys: trials that run at the same time end in any order."""
    rows = [_timeless(json.loads(line)) for line in path.read_text().splitlines()]
    if not rows or "key" not in rows[0]:
        return path.read_bytes()
    return json.dumps(sorted(rows, key=lambda row: str(row["key"]))).encode()


def _state(path: Path) -> bytes:
    """Return a checkpoint's state without the records of times, and without the digest of itself, which covers them."""
    state = json.loads(path.read_bytes())
    del state["sha256"]["state.json"]
    for name in ("timings.jsonl", "sessions.jsonl"):
        state.get("records", {}).pop(name, None)
    return json.dumps(state, sort_keys=True).encode()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(held) for key, held in value.items() if key not in _TIMES}
    return [_timeless(held) for held in value] if isinstance(value, list) else value


_READERS: dict[str, Callable[[Path], bytes]] = {
    "state.json": _state, ".sqlite": _database, ".json": _json, ".jsonl": _lines,
}  # fmt: skip
