"""Disks that fail: a run's n-th write, fsync, rename, ... gives an error of the disk; then it is continued and compared.

    python benchmarks/disk_faults.py                     # every operation; continues; writes benchmarks/results/disk_faults.json
    python benchmarks/disk_faults.py --sample 20 --seed 1 --folder /tmp/faults
    python benchmarks/disk_faults.py --at ENOSPC:120-135,EIO:140-150 --folder /tmp/faults --table /tmp

A C compiler builds a library (disk_faults.c) that is loaded in front of the C library, so that SQLite, Python and Rust meet the
same errors. A command that meets one either succeeds with an undisturbed run's results, since it needed no such file, or ends
with an exit code that is not 0 and one line; its continuation then gives an undisturbed run's results, byte for byte.
"""

import argparse
import ctypes
import errno
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import RESULTS
from kill_jobs import WORKS, Work, fingerprint
from kills import import_commands, in_processes, prepare, start, wait

ERRORS = {
    "ENOSPC": (errno.ENOSPC, True, False), "EROFS": (errno.EROFS, True, False), "EIO": (errno.EIO, False, False),
    "EMFILE": (errno.EMFILE, False, False), "torn": (errno.ENOSPC, True, True),
}  # fmt: skip
"""Name -> number, whether it stays, whether a write does half of its work first."""
_SHORT = ("learn.steps=3", "evaluate.every=2", "run.checkpoint_every=1")
WORK = Work((*WORKS["rl"].command, *(part for key in _SHORT for part in ("--set", key))), "run", WORKS["rl"].files)


def main() -> None:
    """Fail the operations that have not been failed, then write what came of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=0, help="this number of faults, drawn by --seed; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at", default="", help="these operations only, as ERROR:FIRST-LAST, comma-separated")
    parser.add_argument("--folder", type=Path, default=Path("runs/disk_faults"))
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time; the same command continues")
    parser.add_argument("--processes", type=int, default=1, help="runs at the same time; default: 1")
    parser.add_argument("--table", type=Path, default=RESULTS, help="folder of disk_faults.json")
    options = parser.parse_args()
    library = _library()
    if os.environ.get("LD_PRELOAD") != str(library):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "LD_PRELOAD": str(library)})
    import_commands()
    from outgrow.experiments.code_digest import code_digest

    folder = options.folder.resolve()
    file = folder / f"faults-{code_digest()}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    counts = {name: _count(folder / "work", error) for name, (error, _, _) in ERRORS.items()}
    done = {(row["error"], row["at"]) for row in _rows(file)}
    cases = [(name, at) for name, count in counts.items() for at in range(1, count + 1)]
    if options.at:
        spans = [part.replace(":", "-").split("-") for part in options.at.split(",")]
        cases = [(name, at) for name, at in cases if any(name == of and int(a) <= at <= int(b) for of, a, b in spans)]
    if options.sample:
        cases = random.Random(options.seed).sample(cases, min(options.sample, len(cases)))
    missing = [case for case in cases if case not in done]
    until = time.monotonic() + 60 * options.minutes
    in_processes(options.processes, lambda place: _faults(folder, missing[place :: options.processes], until, place))
    _write(_rows(file), counts, options.table)


def _rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _faults(folder: Path, cases: list[tuple[str, int]], until: float, place: int) -> None:
    """Fail these operations, one after the other, in a working folder of this process."""
    from outgrow.experiments.code_digest import code_digest

    work = folder / f"work-{place}"
    _count(work, 0)
    expected = fingerprint(work)
    for name, at in cases:
        if time.monotonic() > until:
            break
        row = {"error": name, "at": at, **_fault(work, name, at, expected)}
        with (folder / f"faults-{code_digest()}.jsonl").open("a") as lines:
            lines.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def _library() -> Path:
    """Return the library, built where it is missing or older than its source."""
    source = Path(__file__).with_suffix(".c")
    library = Path(tempfile.gettempdir()) / f"outgrow-disk-faults-{os.getuid()}-{source.stat().st_mtime_ns}.so"
    if not library.exists():
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    return library


def _armed(work: Path, at: int, error: int, lasting: bool, torn: bool) -> int:
    """Run the command, or its continuation, where operation `at` fails; return its exit code. The child counts."""
    arguments = WORK.arguments(work)
    report = work / "cache" / "count"

    def arm() -> None:
        library = ctypes.CDLL(None)
        library.faults_first.restype = ctypes.c_char_p
        library.faults_arm(str(work / "run").encode(), ctypes.c_long(at), error, int(lasting), int(torn))
        import atexit

        atexit.register(lambda: report.write_text(f"{library.faults_count()} {library.faults_first().decode()}"))

    (work / "cache" / "log").unlink(missing_ok=True)
    status = wait(start(work, arguments, "faults", arm))
    assert status is not None
    return status


def _count(work: Path, error: int) -> int:
    """Return the number of operations of an undisturbed command that this error could meet."""
    prepare(work, WORK)
    if status := _armed(work, 0, error, False, False):
        sys.exit(f"the undisturbed command ends with {status}: {(work / 'cache' / 'log').read_text()[-2000:]}")
    return int((work / "cache" / "count").read_text().split()[0])


def _fault(work: Path, name: str, at: int, expected: dict[str, str]) -> dict[str, Any]:
    prepare(work, WORK)
    status = _armed(work, at, *ERRORS[name])
    log = (work / "cache" / "log").read_text(errors="replace")
    operation = (work / "cache" / "count").read_text().split()[1:] if (work / "cache" / "count").exists() else []
    lines, faults = [line for line in log.splitlines() if line.startswith("outgrow: ")], []
    if "Traceback" in log:
        faults.append(f"traceback: {log[-1500:]}")
    if status and len(lines) != 1:
        faults.append(f"ends with {status} and {len(lines)} lines")
    if status == 0:  # it needed no such file, or repaired it
        faults += _differences(work, expected)
    else:
        from_here = WORK.arguments(work)
        again = wait(start(work, from_here, "faults"))
        if again:
            faults.append(f"the continuation ends with {again}: {(work / 'cache' / 'log').read_text()[-600:]}")
        faults += _differences(work, expected)
    return {"operation": (operation or [""])[0], "status": status, "line": lines[0] if lines else "", "faults": faults}


def _differences(work: Path, expected: dict[str, str]) -> list[str]:
    found = fingerprint(work)
    return [f"differs: {file}" for file in sorted({*found, *expected}) if found.get(file) != expected.get(file)]


def _write(rows: list[dict[str, Any]], counts: dict[str, int], folder: Path) -> None:
    table = {
        name: {
            "operations": counts[name],
            "failed": sum(row["error"] == name for row in rows),
            "ended": sum(row["error"] == name and row["status"] != 0 for row in rows),
            "faults": sum(row["error"] == name and bool(row["faults"]) for row in rows),
        }
        for name in ERRORS
    }
    (folder / "disk_faults.json").write_text(json.dumps(table, indent=2) + "\n")
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    main()
