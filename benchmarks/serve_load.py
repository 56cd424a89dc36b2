"""How `outgrow serve` bears many runs, many rollouts and many readers.

    python benchmarks/serve_load.py                                                # 60 runs, 40,000 rollouts, about a minute
    python benchmarks/serve_load.py --runs 1000 --rollouts 10000000 --readers 50   # the size of the claim

Made-up runs lie in a temporary folder (--folder keeps them): half of the rollouts in one long run, the others in equal small runs,
whose files of rollouts are links to the same bytes. The server is the command's own, in a process of its own. Measured: the list
cold and warm, every page of the long run, the pages while readers ask as fast as they get answers and the long run writes a step a
second, the processor's share while pages are open and nothing changes, and the server's memory. Writes
benchmarks/results/serve_load.json.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import Found, row, write

from outgrow.config import dump_recipe, parse_recipe
from outgrow.core.json_lines import append_line, write_lines
from outgrow.core.rollout_log import write_part

GROUPS, SAMPLES, SMALL = 32, 8, 16  # of a step of the long run; rollouts of a step of a small one
EVERY = 3.0  # seconds between two questions of an open page
VERDICTS = ("right", "wrong", "truncated", "no answer")
PAGES = {
    "list": "/",
    "list, searched": "/?q=run-01&sort=-after",
    "run": "/runs/long",
    "rollouts": "/runs/long/rollouts",
    "rollouts of a problem": "/runs/long/rollouts?problem=sum:77&verdict=wrong",
    "rollouts of a step, searched": "/runs/long/rollouts?step=2&q=0.12",
    "practised problems": "/runs/long/problems?of=practised",
    "a small run": "/runs/run-0001",
    "two runs": "/compare?run=run-0001&run=long",
}


def make(folder: Path, runs: int, rollouts: int) -> int:
    """Make the runs; return the steps of the long one."""
    os.fsync = lambda _: None
    rng = random.Random(0)
    long, small = folder / "long", max(1, rollouts // 2 // max(1, runs - 1) // SMALL)
    steps = max(4, rollouts // 2 // (GROUPS * SAMPLES))
    describe(long, steps, rng, trains=True)
    pool = [rows_of(rng, 0, GROUPS, SAMPLES) for _ in range(8)]
    for step in range(1, steps + 1):
        write_part(long, step, [{**entry, "step": step} for entry in pool[step % len(pool)]])
    first = folder / "run-0001"
    for number in range(1, runs):
        run = folder / f"run-{number:04d}"
        describe(run, small, rng)
        if number == 1:
            for step in range(1, small + 1):
                write_part(run, step, rows_of(rng, step, SMALL // 4, 4))
        else:
            shutil.copytree(first / "rollouts", run / "rollouts", copy_function=os.link)
    return steps


def describe(run: Path, steps: int, rng: random.Random, trains: bool = False) -> None:
    run.mkdir(parents=True)
    learn = {"steps": 2 * steps if trains else steps, "lr": rng.choice([1e-6, 3e-6, 1e-5])}
    recipe = parse_recipe({"name": rng.choice(["sweep", "base"]), "policy": {"model": "micro-base"}, "learn": learn})
    (run / "recipe.toml").write_text(dump_recipe(recipe, {"made_with": {}}))
    write_lines(run / "metrics.jsonl", [metrics(rng, step) for step in range(1, steps + 1)])
    write_lines(run / "timings.jsonl", [timings(rng, step) for step in range(1, steps + 1)])
    write_lines(run / "sessions.jsonl", [{"began": 1.79e9, "first_step": 0}])
    if not trains:
        part = {"pass@1": rng.random(), "ci95": [0.1, 0.9], "n": 200}
        (run / "summary.json").write_text(json.dumps({"before": part, "after": part, "paired_delta": part}))


def metrics(rng: random.Random, step: int) -> dict[str, float]:
    names = (
        "rollouts/pass_rate", "reward/total", "rollouts/mean_tokens", "rollouts/truncated_frac", "groups/mixed_frac", "train/loss",
        "groups/trained_frac", "train/entropy", "train/grad_norm", "train/clipped_low_frac", "policy/kl_to_reference", "train/lr",
    )  # fmt: skip
    return {"step": step, **{name: rng.random() for name in names}}


def timings(rng: random.Random, step: int) -> dict[str, float]:
    return {"step": step, "generation": rng.random(), "verification": 0.1, "learning": rng.random(), "other": 0.01}


def rows_of(rng: random.Random, step: int, groups: int, samples: int) -> list[dict[str, Any]]:
    return [
        {
            "step": step, "problem_id": f"sum:{problem}", "field": ("sum", "clock")[problem % 2], "level": problem % 5,
            "sample": sample, "question": f"What is {problem} plus {problem // 7}?",
            "completion": f"Let me think about {problem}. {rng.random()}", "verdict": rng.choice(VERDICTS), "extracted": None,
            "answer": str(problem), "length": rng.randint(5, 300), "reward": 0.5, "reward_accuracy": 0.0, "advantage": 0.1,
        }
        for problem in (77, *rng.sample(range(100, 7473), groups - 1))
        for sample in range(samples)
    ]  # fmt: skip


class Server:
    """The command, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "outgrow", "serve", str(folder), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        address = self.process.stdout.readline()  # type: ignore[union-attr]
        self.port = int(address.split("//")[1].split("/")[0].rpartition(":")[2])

    def ask(self, path: str, tag: str = "") -> tuple[float, str, str]:
        """Return seconds, page and tag."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("GET", path, headers={"If-None-Match": tag} if tag else {})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        assert answer.status in (200, 304), (path, answer.status, body[:300])
        return time.perf_counter() - began, body, answer.headers["ETag"]

    def cpu(self) -> float:
        """Return the processor's seconds so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1e3


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def together(count: int, work: Callable[[int], list[float]]) -> list[float]:
    """Return the seconds of all questions of several readers at once."""
    seconds: list[list[float]] = [[] for _ in range(count)]

    def read(number: int) -> None:
        seconds[number] = work(number)

    threads = [threading.Thread(target=read, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [value for part in seconds for value in part]


def writing(run: Path, steps: int, stop: threading.Event) -> None:
    """Write a step a second, as a run does."""
    rng = random.Random(1)
    for step in range(steps + 1, steps + 10_000):
        write_part(run, step, rows_of(rng, step, GROUPS, SAMPLES))
        append_line(run / "metrics.jsonl", metrics(rng, step))
        append_line(run / "timings.jsonl", timings(rng, step))
        if stop.wait(1.0):
            return


def open_pages(server: Server, count: int, seconds: float) -> Found:
    """What the server takes of a core while so many pages of the list and of the long run are open and nothing changes."""
    paths = ["/", "/runs/long"]
    until, before, began = time.monotonic() + seconds, server.cpu(), time.monotonic()

    def page(number: int) -> list[float]:
        time.sleep(EVERY * number / max(1, count))
        tag, times = "", []
        while time.monotonic() < until:
            spent, _, tag = server.ask(paths[number % 2], tag)
            times.append(spent)
            time.sleep(EVERY)
        return times

    times = together(count, page)
    return {"pages": count, "share": (server.cpu() - before) / (time.monotonic() - began), "longest_s": max(times, default=0.0)}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--runs", type=int, default=60)
    ask.add_argument("--rollouts", type=int, default=40_000)
    ask.add_argument("--readers", type=int, default=10)
    ask.add_argument("--seconds", type=float, default=8.0, help="of each measurement over time")
    ask.add_argument("--folder", type=Path, help="keeps the runs here; makes none where they are there")
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary) / "runs"
        if not folder.exists():
            make(folder, given.runs, given.rollouts)
        steps = sum(1 for _ in (folder / "long" / "metrics.jsonl").open())
        print(f"{given.runs} runs, the long one of {steps:,} steps", flush=True)
        measure(given, folder, steps)


def measure(given: argparse.Namespace, folder: Path, steps: int) -> None:
    with serving(folder) as server:
        cold_cpu = server.cpu()
        cold, cold_cpu = server.ask("/")[0], server.cpu() - cold_cpu
        warm = [server.ask("/")[0] for _ in range(5)]
        reading = []
        while True:
            spent, body, _ = server.ask("/runs/long/rollouts")
            reading.append(spent)
            if "data-reading" not in body:
                break
        pages = {name: [server.ask(path)[0] for _ in range(5)] for name, path in PAGES.items()}
        print({name: [round(value, 3) for value in values] for name, values in pages.items()}, flush=True)
        idle = [open_pages(server, count, given.seconds) for count in (0, 2, given.readers)]
        quiet_mb = server.peak_mb()
        stop = threading.Event()
        writer = threading.Thread(target=writing, args=(folder / "long", steps, stop))
        writer.start()
        until = time.monotonic() + given.seconds

        def reader(number: int) -> list[float]:
            path = list(PAGES.values())[number % len(PAGES)]
            times, tag = [], ""
            while time.monotonic() < until:
                spent, _, tag = server.ask(path, tag)
                times.append(spent)
                time.sleep(EVERY / 3)
            return times

        busy = together(given.readers, reader)
        stop.set()
        writer.join()
        looks = [server.ask("/runs/long")[0] for _ in range(3)]
        peak = server.peak_mb()
    firsts = [values[0] for name, values in pages.items()]
    table = [
        row("list of runs, cold, s", [cold], 10, least=False),
        row("list of runs, cold, s of the processor", [cold_cpu], 10, least=False),
        row("list of runs, warm, s", warm, 1, least=False),
        row("a page while rollouts are read first, s", reading, 1, least=False),
        row("the slowest page, first look, s", [max(firsts)], 1, least=False),
        row("the slowest page, later looks, s", [max(max(values[1:]) for values in pages.values())], 1, least=False),
        row(f"a page, {given.readers} readers while the run writes, s", busy, 1, least=False),
        row("the slowest of them, s", [max(busy)], 1, least=False),
        row("core's share, nothing changes, no page open", [idle[0]["share"]], 0.02, least=False),
        row("core's share, nothing changes, 2 pages open", [idle[1]["share"]], 0.02, least=False),
        row(f"core's share, nothing changes, {given.readers} pages open", [idle[2]["share"]], None),
        row("memory at most, MB", [peak], 500, least=False),
    ]
    write(
        "serve_load", table, size={"runs": given.runs, "rollouts": given.rollouts, "readers": given.readers, "steps": steps},
        load=os.getloadavg(), pages={name: [round(value, 3) for value in values] for name, values in pages.items()}, idle=idle,
        before_readers_mb=quiet_mb, after_s=statistics.median(looks), asked=len(busy),
    )  # fmt: skip


if __name__ == "__main__":
    main()
