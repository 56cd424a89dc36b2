"""How a lab ends: its workers end with it when it is killed, and save themselves when a scheduler signals every process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from outgrow.core.children import SERVER_OF

LAB = """
title = "A small one"
question = "Does anything change?"
recipe = "micro"
seeds = 2
baseline = "uniform"
set = [
    "learn.steps=200", "learn.problems_per_step=3", "learn.group_size=3", "sampling.max_tokens=24", "evaluate.every=0",
    "evaluate.samples=1", "evaluate.suite=held-out", "learn.give_up_after=999",
    'problems=[{type="micro",fields=["sum"],levels=[1,2,3],per_level=5}]',
]
measures = [{ type = "rollouts_to", target = 0.5 }]
arms = [{ name = "uniform", set = [] }, { name = "frontier", set = ["curriculum={type='frontier'}"] }]
"""
TOKEN = "OUTGROW_TEST_LAB"


def processes(token: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"{TOKEN}={token}\0".encode() in (folder / "environ").read_bytes() + b"\0":
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def steps(folder: Path) -> dict[str, int]:
    """The steps of each trial that are on disk."""
    return {path.parent.name: path.read_bytes().count(b"\n") for path in folder.glob("runs/lab/*/metrics.jsonl")}


def lab(folder: Path, text: str = LAB, n: int = 2) -> subprocess.Popen:
    """A lab with n workers, two of them or more at work on a trial."""
    (folder / "small.toml").write_text(text)
    environment = {**os.environ, TOKEN: str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "outgrow", "lab", "small.toml", "--processes", str(n), "--docs", "docs"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    before = steps(folder)
    while len(after := steps(folder)) < 2 or any(done <= before.get(run, 0) for run, done in after.items()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return process


def none_left(folder: Path) -> bool:
    until = time.monotonic() + 20
    while processes(str(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    return not processes(str(folder))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_stopped_and_a_killed_lab(tmp_path):
    """SIGTERM to every process, as systemd and Slurm send it; then, of what continues, the main process is killed."""
    process = lab(tmp_path)
    for pid in processes(str(tmp_path)):
        os.kill(pid, signal.SIGTERM)
    _, complaint = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, complaint
    assert "failed" not in complaint and "Traceback" not in complaint
    sessions = [json.loads(path.read_text().splitlines()[-1]) for path in tmp_path.glob("runs/lab/*/sessions.jsonl")]
    assert len(sessions) == 2
    assert {session["end"] for session in sessions} == {"signal"}
    for run in tmp_path.glob("runs/lab/*"):
        done = (run / "metrics.jsonl").read_bytes().count(b"\n")
        assert (run / "checkpoints" / "latest").resolve().name == f"step-{done:06d}", "saved, to the last step"
    assert none_left(tmp_path)

    process = lab(tmp_path)
    assert len(processes(str(tmp_path))) >= 4
    process.kill()
    process.communicate()
    assert none_left(tmp_path)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def workers_of(process: subprocess.Popen, folder: Path) -> list[int]:
    parents = {pid: parent_of(pid) for pid in processes(str(folder)) if pid != process.pid}
    return [pid for pid, parent in parents.items() if parents.get(parent) == process.pid]


def trains(pid: int) -> bool:
    """Whether a process holds the lock of a run."""
    return any(os.readlink(link).endswith("/.lock") for link in Path(f"/proc/{pid}/fd").iterdir())


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize("idle", [False, True])
def test_a_lab_ends_where_a_worker_is_killed(tmp_path, idle):
    """As the system does where memory runs out. The other workers save their runs, and nothing waits for ever.

    An idle worker holds the lock of the queue of trials, which nobody frees.
    """
    short = LAB.replace("set = []", 'set = ["learn.steps=3"]')
    process = lab(tmp_path, short, n=4) if idle else lab(tmp_path)
    results = tmp_path / "docs" / "small.jsonl"
    while idle and (not results.exists() or results.read_text().count("\n") < 2):
        time.sleep(0.05)
    workers = workers_of(process, tmp_path)
    assert len(workers) == (4 if idle else 2)
    victims = [pid for pid in workers if trains(pid) is not idle]
    for pid in victims[: 2 if idle else 1]:
        os.kill(pid, signal.SIGKILL)
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "memory" in complaint and "--processes" in complaint and "Traceback" not in complaint
    assert none_left(tmp_path)
    sessions = [json.loads(path.read_text().splitlines()[-1]) for path in tmp_path.glob("runs/lab/*/sessions.jsonl")]
    ends = [session["end"] for session in sessions if "end" in session]
    assert ends == ["signal"] * (2 if idle else 1), "that of a killed one is open"


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for a signal")
@pytest.mark.parametrize(("parent", "code"), [(lambda: os.getpid(), 0), (lambda: 2**22 + 1, 1)], ids=["there", "gone"])
def test_a_fork_server_whose_parent_was_killed_before_it_looked_ends(parent, code):
    environment = {**os.environ, SERVER_OF: str(parent())}
    command = [sys.executable, "-c", "import outgrow.core.fork_server"]
    assert subprocess.run(command, env=environment, check=False, timeout=60).returncode == code
