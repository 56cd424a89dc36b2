"""A thousand kills: commands are ended at random moments, continued by their own continuation, and compared with undisturbed ones.

    python benchmarks/kills.py                        # continues where it was stopped; writes benchmarks/results/kills.json
    python benchmarks/kills.py --signal TERM --kills 100 --processes 2
    python benchmarks/kills.py --works rl,lab --kills 20 --folder /tmp/kills

A chain is one working folder: a command is ended up to four times, each time at a moment that a seed draws, then runs to its end.
Weights, optimizer, ledger, metrics, rollouts, evaluations, data sets and results must be those of an undisturbed run, byte for
byte, and no process may be left. Each chain is a line of FOLDER/chains.jsonl. Commands are forked from a process that holds the
imports.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import RESULTS
from kill_jobs import WORKS, Work, fingerprint

_TOKEN = "OUTGROW_KILLS"
"""Environment variable by which the processes of a chain are found."""
_PER_CHAIN = 4
_GONE_S = 5.0
"""Seconds within which no process may be left."""
_STUCK_S = 600.0


def main() -> None:
    """Run the chains that are missing, then write what came of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="signals that ended a running command; default: 1000")
    parser.add_argument("--signal", choices=("KILL", "TERM", "HUP"), default="KILL")
    parser.add_argument("--works", default=",".join(WORKS), help=f"comma-separated; default: {','.join(WORKS)}")
    parser.add_argument("--folder", type=Path, default=Path("runs/kills"), help="chains and their results; default: runs/kills")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time; the same command continues")
    parser.add_argument("--processes", type=int, default=1, help="chains at the same time; default: 1")
    parser.add_argument("--undisturbed", nargs=3, metavar=("WORK", "RESULT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if "PYTHONHASHSEED" not in os.environ:  # another one than that of the undisturbed commands: no order of a set may be saved
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "2"})
    import_commands()
    if options.undisturbed:
        name, result, working = options.undisturbed
        _run_undisturbed(Path(result), Path(working), WORKS[name])
        return
    folder = options.folder.resolve() / options.signal.lower()
    folder.mkdir(parents=True, exist_ok=True)
    until, works = time.monotonic() + 60 * options.minutes, options.works.split(",")
    in_processes(
        options.processes,
        lambda place: _chains(folder, options.signal, options.kills, works[place :: options.processes], until, place),
    )
    _write(options.signal, _done(folder))


def in_processes(n: int, work: Callable[[int], None]) -> None:
    """Do the work of place 0 to n - 1, each in a forked process. Exits where one of them failed."""
    workers = []
    for place in range(n):
        sys.stdout.flush()
        if (pid := os.fork()) == 0:
            try:
                work(place)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        workers.append(pid)
    ends = [os.waitpid(pid, 0)[1] for pid in workers]
    if any(ends):
        sys.exit("a process failed; what it printed says why")


def _done(folder: Path) -> list[dict[str, Any]]:
    """Return the chains of this version of the code."""
    from outgrow.experiments.code_digest import code_digest

    file = folder / "chains.jsonl"
    done = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return [chain for chain in done if chain["code"] == code_digest()]


def _chains(folder: Path, kind: str, kills: int, works: list[str], until: float, place: int) -> None:
    """Run chains of these works, a seed after the other, until all processes together have ended as many commands."""
    from outgrow.experiments.code_digest import code_digest

    working, number = folder / f"chain-{place}", 0
    while time.monotonic() < until:
        chains = _done(folder)
        if sum(len(chain["ended"]) for chain in chains) >= kills:
            break
        name, seed = works[number % len(works)], number // len(works)
        number += 1
        if (name, seed) in {(chain["work"], chain["seed"]) for chain in chains}:
            continue
        whole = _undisturbed(folder / f"whole-{code_digest()}" / f"{name}-{place}.json", working, name)
        chain = {"work": name, "seed": seed, "code": code_digest(), **_chain(working, name, seed, kind, whole)}
        with (folder / "chains.jsonl").open("a") as lines:
            lines.write(json.dumps(chain) + "\n")
        print(json.dumps({key: value for key, value in chain.items() if key != "code"}), flush=True)
        if chain["faults"]:
            shutil.rmtree(folder / f"fault-{name}-{seed}", ignore_errors=True)
            shutil.copytree(working, folder / f"fault-{name}-{seed}", symlinks=True)


def import_commands() -> None:
    """Import what commands import, so that a forked command starts at once and a random moment is one of its own work."""
    import matplotlib  # noqa: F401
    import pandas  # noqa: F401
    import peft  # noqa: F401
    import transformers.models.llama.modeling_llama  # noqa: F401

    import outgrow.cli
    import outgrow.evaluate.pass_rates
    import outgrow.experiments
    import outgrow.flywheel.run
    import outgrow.report
    import outgrow.synthetic
    import outgrow.train.loop  # noqa: F401


def _undisturbed(result: Path, folder: Path, name: str) -> dict[str, Any]:
    """Return the fingerprint and the seconds of an undisturbed command; it is run where it has not been.

    folder: that of the chains, since recipes and models name the folders that they were made in.
    """
    if not result.exists():
        command = [sys.executable, __file__, "--undisturbed", name, str(result), str(folder)]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "1"}, check=True)
    held: dict[str, Any] = json.loads(result.read_text())
    return held


def _run_undisturbed(result: Path, folder: Path, work: Work) -> None:
    prepare(folder, work)
    began = time.monotonic()
    status = wait(start(folder, work.command, "whole"))
    if status != 0:
        sys.exit(f"{work.command}: the undisturbed command ends with {status}: {_last_line(folder)}")
    seconds = time.monotonic() - began
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps({"seconds": seconds, "fingerprint": fingerprint(folder)}))


def prepare(folder: Path, work: Work) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "cache").mkdir(parents=True)
    for name, text in work.files.items():
        (folder / name).write_text(text)


def _chain(folder: Path, name: str, seed: int, kind: str, whole: dict[str, Any]) -> dict[str, Any]:
    """End a command up to _PER_CHAIN times, finish it, and return what happened."""
    work, rng, number = WORKS[name], random.Random(f"{name} {seed} {kind}"), signal.Signals[f"SIG{kind}"]
    prepare(folder, work)
    token, ended, faults, slowest = f"{name}-{seed}-{os.getpid()}", [], [], 0.0
    for _ in range(_PER_CHAIN):
        if ended and fingerprint(folder) == whole["fingerprint"]:  # the last signal came after its work
            break
        after = rng.uniform(0.0, 0.8 * whole["seconds"])
        pid = start(folder, work.arguments(folder), token)
        status = wait(pid, after)
        if status is not None:  # it ended before its moment came
            faults += [f"ended with {status} by itself: {_last_line(folder)}"] if status else []
            if status == 0:
                break
            continue
        os.kill(pid, number)
        began = time.monotonic()
        status = wait(pid)
        slowest = max(slowest, time.monotonic() - began)
        if status == 0:  # it was at its end
            break
        ended.append(round(after, 3))
        if kind != "KILL" and status not in (-number, 128 + number):
            faults.append(f"{kind} after {after:.3f} s ends with {status}: {_last_line(folder)}")
        if kind != "KILL" and work.run and (fault := _wrong_record(folder / work.run)):
            faults.append(f"{kind} after {after:.3f} s: {fault}")
        if left := _left(token):
            faults.append(f"after {after:.3f} s processes are left: {left}")
    if fingerprint(folder) != whole["fingerprint"]:
        status = wait(start(folder, work.arguments(folder), token))
        if status != 0:
            faults.append(f"the last call ends with {status}: {_last_line(folder)}")
    if left := _left(token):
        faults.append(f"at the end processes are left: {left}")
    found, expected = fingerprint(folder), whole["fingerprint"]
    faults += [f"differs: {file}" for file in sorted({*found, *expected}) if found.get(file) != expected.get(file)]
    return {"ended": ended, "slowest_s": round(slowest, 2), "faults": faults}


def start(folder: Path, arguments: tuple[str, ...], token: str, first: Callable[[], None] = lambda: None) -> int:
    """Fork a command in a working folder and return its process id. first: called in it before the command."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        os.chdir(folder)
        os.environ |= {_TOKEN: token, "OUTGROW_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        log = os.open(folder / "cache" / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        from outgrow.cli import main as outgrow

        sys.argv = ["outgrow", *arguments]
        first()
        outgrow()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 99
    import atexit

    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def wait(pid: int, seconds: float = _STUCK_S) -> int | None:
    """Return the exit code of a process, or minus the signal that ended it; None where it still runs after these seconds."""
    until = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= until:
            if seconds == _STUCK_S:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                return 98
            return None
        time.sleep(min(0.005, max(0.0, until - time.monotonic())))


def _left(token: str) -> list[str]:
    """Return the commands of a chain's processes that are left after _GONE_S, and end them."""
    until = time.monotonic() + _GONE_S
    while (left := dict(_processes(token))) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return list(left.values())


def _processes(token: str) -> Iterator[tuple[int, str]]:
    marker = f"{_TOKEN}={token}\0".encode()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and marker in (folder / "environ").read_bytes() + b"\0":
                yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:120]
        except OSError:
            continue


def _wrong_record(run: Path) -> str:
    """Return what is wrong with the record of a session that a signal ended; empty where nothing is."""
    file = run / "sessions.jsonl"
    last = json.loads(file.read_text().splitlines()[-1]) if file.exists() and file.read_text() else {"end": "signal"}
    end = last.get("end")
    return "" if end in ("signal", "finished") else f"the session is recorded as {end}: {last.get('reason')}"


def _last_line(folder: Path) -> str:
    lines = (folder / "cache" / "log").read_text(errors="replace").strip().splitlines()
    return lines[-1][-300:] if lines else ""


def _write(kind: str, chains: list[dict[str, Any]]) -> None:
    """Write the figures: signals, chains with a fault, and the upper end of the 95% interval of the rate of faults."""
    file = RESULTS / "kills.json"
    table = json.loads(file.read_text()) if file.exists() else {}
    works: dict[str, Any] = {}
    for chain in chains:
        row = works.setdefault(chain["work"], {"chains": 0, "ended": 0, "faults": 0, "slowest_s": 0.0})
        row["chains"] += 1
        row["ended"] += len(chain["ended"])
        row["faults"] += bool(chain["faults"])
        row["slowest_s"] = max(row["slowest_s"], chain["slowest_s"])
    ended, faults = sum(row["ended"] for row in works.values()), sum(row["faults"] for row in works.values())
    code = chains[0]["code"] if chains else ""
    table[kind] = {"code": code, "works": works, "ended": ended, "faults": faults, "upper_95": upper_95(faults, ended)}
    file.write_text(json.dumps(table, indent=2) + "\n")
    print(json.dumps(table[kind], indent=2))


def upper_95(faults: int, n: int) -> float | None:
    """Return the upper end of the one-sided 95% interval of a rate (Clopper and Pearson); 3 / n where no fault was met."""
    if n == 0:
        return None
    from scipy.stats import beta

    return round(float(beta.ppf(0.95, faults + 1, n - faults)), 5) if faults < n else 1.0


if __name__ == "__main__":
    main()
