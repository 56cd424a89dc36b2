"""Chaos: actors and ranks of one run are killed at random, until 50 are gone, and the run must end as an undisturbed one does.

    python benchmarks/chaos.py               # 50 kills, about 20 minutes; writes benchmarks/results/chaos.json
    python benchmarks/chaos.py --kills 8     # a first look

The run is micro with two actors, two ranks and rollouts written ahead. An actor that is killed costs nothing but its call; with the
last one, or with a rank, the run ends with exit code 1 and one line, and is resumed. At the end weights, moments, metrics, ledger,
rollouts and evaluations must be those of an undisturbed run, byte for byte, and no process may be left.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
from bench import write
from kill_jobs import fingerprint

_RUN = (
    "learn.problems_per_step=4", "learn.group_size=4", "learn.lr=3e-4", "learn.give_up_after=999", "sampling.max_tokens=24",
    "evaluate.suite=held-out", "evaluate.samples=1", "evaluate.every=0", "run.threads=1", "run.checkpoint_every=1",
    'problems=[{type="micro",fields=["sum","letters"],levels=[3,4],per_level=40}]', "engine.actors=2", "engine.actor_rows=8",
    "learn.ranks=2", "learn.ahead=1", "learn.old_logprobs=learner",
)  # fmt: skip
_GONE_S = 180.0  # within which no process may be left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--folder", type=Path, default=Path("runs/chaos"))
    chosen = parser.parse_args()
    shutil.rmtree(chosen.folder, ignore_errors=True)
    chosen.folder.mkdir(parents=True)
    steps = 4 + chosen.kills  # about one kill a step
    whole, broken = chosen.folder / "whole", chosen.folder / "broken"
    command = _start(whole, steps)
    assert command.wait() == 0, _said(whole)
    rng, killed, codes = random.Random(0), {"actor": 0, "rank": 0}, list[int]()
    while True:
        command = _start(broken, steps)
        known, begins = set[psutil.Process](), max(1, _steps(broken) + rng.choice((0, 1, 1, 1)))  # now and then while it starts
        while command.poll() is None:
            known |= _below(command)
            if sum(killed.values()) < chosen.kills and _steps(broken) >= begins:
                time.sleep(rng.uniform(0, 1.0))
                kind = rng.choice(("actor", "actor", "actor", "rank"))  # a rank ends the run, an actor seldom does
                killed[kind] += _kill(command, kind, rng)
            time.sleep(0.05)
        codes.append(command.returncode)
        _, left = psutil.wait_procs(known, timeout=_GONE_S)
        assert not left, f"left over: {left}"
        print(f"step {_steps(broken)} of {steps}, killed {killed}, exit code {command.returncode}", flush=True)
        if command.returncode == 0:
            break
        last = _said(broken).strip().splitlines()[-1]
        assert command.returncode == 1 and last.startswith("outgrow: "), last
    one, other = _all_of(whole), _all_of(broken)
    differ = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    print(f"{sum(killed.values())} kills, {len(codes)} sessions; differ: {differ or 'nothing'}")
    found = {"killed": killed, "sessions": len(codes), "codes": codes, "steps": steps, "differ": differ, "recipe": ["micro", *_RUN]}
    write("chaos", [], **found)
    sys.exit(bool(differ))


def _start(run: Path, steps: int) -> subprocess.Popen[bytes]:
    """Start the run, or go on with it."""
    outgrow = [sys.executable, "-m", "outgrow"]
    sets = [argument for override in (*_RUN, f"learn.steps={steps}") for argument in ("--set", override)]
    going = (run / "recipe.toml").exists()
    with _log(run).open("ab") as log:
        return subprocess.Popen(
            [*outgrow, "resume", str(run)] if going else [*outgrow, "train", "micro", "--out", str(run), *sets],
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _kill(command: subprocess.Popen[bytes], kind: str, rng: random.Random) -> int:
    """Kill one process of this kind; return how many were there to be killed: 1 or 0."""
    alive = [each for each in _below(command) if _is(each, kind)]
    if not alive:
        return 0
    rng.choice(sorted(alive, key=lambda each: each.pid)).kill()
    return 1


def _below(command: subprocess.Popen[bytes]) -> set[psutil.Process]:
    try:
        return set(psutil.Process(command.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def _is(process: psutil.Process, kind: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if kind == "actor":
            return process.name().startswith("ray::Worker")
        return "RANK" in process.environ() and "outgrow" in process.cmdline() and bool({"train", "resume"} & {*process.cmdline()})
    except psutil.Error:
        return False


def _steps(run: Path) -> int:
    metrics = run / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


def _all_of(run: Path) -> dict[str, str]:
    """A digest of everything that must be equal."""
    return {name: hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest() for name, value in fingerprint(run).items()}


def _log(run: Path) -> Path:
    return run.with_suffix(".log")


def _said(run: Path) -> str:
    return _log(run).read_text(errors="replace")


if __name__ == "__main__":
    main()
