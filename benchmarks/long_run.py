"""How a long run stays flat: what a step, resuming and the report take, after few steps and after many.

    python benchmarks/long_run.py                                      # 3,000 steps, about a minute
    python benchmarks/long_run.py --steps 100000 --folder /tmp/long    # the size of the claim; a stopped one continues there

Steps are simulated: no model writes or learns. Everything else of a step is the run's own code: the sampler picks from the
ledger, rollouts, visits, metrics and seconds are written, the judge's alarm is asked. The last 700 steps are such steps, and
are timed: once up to step 1,000 and once up to --steps. The steps before them go into the same ledger, alarm and files 100 at a
time, without a sampler, and their rollouts are links to one block's file.

Seconds of a step are those of the processor, so that a busy machine does not change them; fsync is off, since a disk's time
does not grow with a run. Every part runs in a process of its own. Writes benchmarks/results/long_run.json.
"""

import argparse
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import Found, in_process, row, write

from outgrow.algorithms.samplers import SAMPLERS, PickRequest
from outgrow.config import dump_recipe, parse_recipe
from outgrow.core.figure_lines import each_figures, last_figures
from outgrow.core.json_lines import append_line, keep_lines_through
from outgrow.core.rollout_log import BLOCK, drop_parts_after, rollouts_folder, write_part
from outgrow.judge.hacking_alarm import HackingAlarm
from outgrow.ledger import Ledger
from outgrow.report import write_report
from outgrow.runs.cost import Budget, Meter
from outgrow.runs.folder import RunFolder
from outgrow.types import Problem, Visit

GROUPS, PROBLEMS, EARLY, TIMED = 32, 7_473, 1000, 700


def problems() -> list[Problem]:
    return [Problem(f"sum:{number}", ("sum", "clock")[number % 2], number % 5, f"{number}=?", "7") for number in range(PROBLEMS)]


def simulate(run: Path, steps: int, group_size: int) -> Found:
    """Write a run's folder, or continue it; return milliseconds of its last steps by phase, and the memory held."""
    files, rng = RunFolder(run), random.Random(0)
    recipe = parse_recipe(
        {"name": "long", "policy": {"model": "micro-base"}, "learn": {"steps": steps, "problems_per_step": GROUPS}, "evaluate": {}}
    )
    run.mkdir(parents=True, exist_ok=True)
    files.recipe.write_text(dump_recipe(recipe, {"made_with": {}}))
    newest = last_figures(files.metrics)
    done = min(int(newest["step"]) if newest else 0, steps - TIMED) // BLOCK * BLOCK
    all_problems = problems()
    sampler = SAMPLERS["greso"]()  # it sums over all steps
    spent: dict[str, float] = {}
    with Ledger(files.ledger) as ledger:
        ledger.enter(all_problems)
        ledger.rewind(done)
        known = ledger.known(all_problems)
        keep_lines_through(files.metrics, done)
        drop_parts_after(run, done)
        meter = Meter(files.timings, 0.0, time.perf_counter(), Budget())
        meter.rewind(done)
        alarm = HackingAlarm.of(each_figures(files.metrics))
        for last in range(done + BLOCK, steps - TIMED + 1, BLOCK):
            pass_over(run, range(last - BLOCK + 1, last + 1), group_size, rng, all_problems, ledger, alarm)
            if last % 5000 == 0:
                print(f"step {last:,}", flush=True)
        for step in range(steps - TIMED + 1, steps + 1):
            with lap(spent, "pick"):
                places = sampler.pick(PickRequest(step, GROUPS, group_size, 0), known)
            picked = [all_problems[place] for place in places]
            rows = [rollout(rng, step, problem, sample) for problem in picked for sample in range(group_size)]
            visits = [visit(rows[place : place + group_size]) for place in range(0, len(rows), group_size)]
            metrics = figures(rng, step, sum(entry["verdict"] == "right" for entry in rows) / len(rows), len(rows))
            with lap(spent, "rollouts"):
                write_part(run, step, rows)
            with lap(spent, "ledger"):
                ledger.record(visits)
            with lap(spent, "alarm"):
                alarm.observe(metrics)
                alarm.evidence()
            with lap(spent, "metrics"):
                append_line(files.metrics, metrics)
                meter.write(step, "other", {"generation": 0.5, "verification": 0.1, "learning": 0.4})
        return {"ms": {phase: round(1000 * total / TIMED, 3) for phase, total in spent.items()}, "mb": resident_mb()}


@contextmanager
def lap(spent: dict[str, float], phase: str) -> Iterator[None]:
    began = time.process_time()
    yield
    spent[phase] = spent.get(phase, 0.0) + time.process_time() - began


def pass_over(
    run: Path, steps: range, group_size: int, rng: random.Random, all_problems: list[Problem], ledger: Ledger, alarm: HackingAlarm
) -> None:
    """Write a block of steps at once, of problems drawn by chance."""
    files, visits, lines = RunFolder(run), [], []
    for step in steps:
        for problem in rng.sample(all_problems, GROUPS):
            right = rng.randint(0, group_size)
            visits.append(Visit(step, problem.id, group_size, right, 150.0, rng.randint(3, 99) if right else None))
        lines.append(figures(rng, step, 0.5 + 0.1 * rng.random(), GROUPS * group_size))
        alarm.observe(lines[-1])
    ledger.record(visits)
    seconds = {"generation": 0.5, "verification": 0.1, "learning": 0.4, "other": 0.01}
    append(files.metrics, lines)
    append(files.timings, [{"step": step, **seconds} for step in steps])
    first = block(run, BLOCK)
    if first.exists():
        os.link(first, block(run, steps[-1]))
        return
    for step in steps:
        write_part(run, step, [rollout(rng, step, problem, 0) for problem in all_problems[:GROUPS]])


def append(path: Path, rows: list[dict[str, float]]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(entry) + "\n" for entry in rows)


def block(run: Path, last: int) -> Path:
    return rollouts_folder(run) / f"steps-{last - BLOCK + 1:06d}-{last:06d}.parquet"


def rollout(rng: random.Random, step: int, problem: Problem, sample: int) -> dict[str, Any]:
    right = rng.random() < 0.3 + 0.1 * problem.level
    return {
        "step": step, "problem_id": problem.id, "field": problem.field, "level": problem.level, "sample": sample,
        "question": problem.question, "completion": f"Let me think. {rng.random()}", "verdict": "right" if right else "wrong",
        "extracted": "7" if right else None, "answer": "7", "length": rng.randint(5, 300), "reward": float(right),
        "reward_accuracy": float(right), "advantage": 0.1,
    }  # fmt: skip


def visit(rows: list[dict[str, Any]]) -> Visit:
    lengths = [entry["length"] for entry in rows]
    right = [entry["length"] for entry in rows if entry["verdict"] == "right"]
    return Visit(rows[0]["step"], rows[0]["problem_id"], len(rows), len(right), sum(lengths) / len(rows), min(right, default=None))


def figures(rng: random.Random, step: int, rate: float, rollouts: int) -> dict[str, float]:
    found = {
        "step": step, "rollouts/count": rollouts, "rollouts/pass_rate": rate, "rollouts/mean_tokens": 150.0 + rng.random(),
        "judge/score": rate + 0.05 * rng.random(), "judge/top": 0.9, "judge/top_n": 26, "judge/heldout_pass_rate": rng.random(),
        "judge/heldout_n": 32, "judge/weight": 1.0, "judge/alarm": 0.0, "judge/id": 7, "policy/kl_to_reference": 0.02,
        "groups/trained_frac": rng.random() + 0.01, "reward/total": rate, "train/lr": 1e-5,
    }  # fmt: skip
    more = ("train/loss", "train/entropy", "train/grad_norm", "train/kl_in_loss", "rollouts/truncated_frac", "groups/mixed_frac")
    return found | {name: rng.random() for name in more}


def resume(run: Path) -> Found:
    """What resuming does to the files of a run whose newest checkpoint is 20 steps older than its last step."""
    files, began, spent = RunFolder(run), time.perf_counter(), time.process_time()
    last = last_figures(files.metrics)
    step = int(last["step"]) - 20 if last else 0
    with Ledger(files.ledger) as ledger:
        ledger.enter(problems())
        ledger.known(problems())
        keep_lines_through(files.metrics, step)
        ledger.rewind(step)
        drop_parts_after(run, step)
        HackingAlarm.of(row for row in each_figures(files.metrics) if row["step"] <= step)
        Meter(files.timings, 0.0, began, Budget()).rewind(step)
        rollouts = ledger.rollouts()
    return {"s": time.perf_counter() - began, "cpu_s": time.process_time() - spent, "rollouts": rollouts, "peak_mb": peak_mb()}


def report(run: Path) -> Found:
    began, spent = time.perf_counter(), time.process_time()
    size = write_report(run).stat().st_size
    return {"s": time.perf_counter() - began, "cpu_s": time.process_time() - spent, "page_mb": size / 1e6, "peak_mb": peak_mb()}


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--steps", type=int, default=3000)
    ask.add_argument("--group-size", type=int, default=2)
    ask.add_argument("--folder", type=Path, help="keeps the run here, or continues the one that is there")
    ask.add_argument("--part", choices=("simulate", "resume", "report"), help="one part of it, on --folder")
    given = ask.parse_args()
    os.fsync = lambda _: None
    if given.part:
        parts = {"simulate": lambda run: simulate(run, given.steps, given.group_size), "resume": resume, "report": report}
        print(json.dumps(parts[given.part](given.folder)))
        return

    def part(name: str, run: Path, steps: int = 0) -> Found:
        size = ("--steps", str(steps), "--group-size", str(given.group_size))
        return in_process(__file__, "--part", name, "--folder", str(run), *size)

    with tempfile.TemporaryDirectory() as temporary:
        run = given.folder or Path(temporary) / "run"
        # In turn, since a busy machine also changes the processor's seconds: caches are shared.
        part("simulate", run, given.steps)
        runs = [Path(temporary) / f"early-{turn}" for turn in range(3)]
        pairs = [(part("simulate", first, EARLY), part("simulate", run, given.steps)) for first in runs]
        early, late = pairs[-1]
        reported = part("report", run)
        resumed = part("resume", run)  # the last, since it drops steps
    ratios = [sum(after["ms"].values()) / sum(before["ms"].values()) for before, after in pairs]
    table = [
        row(f"time of a step at step {given.steps:,} / at step {EARLY:,}", ratios, 1.2, least=False),
        row(f"memory at step {given.steps:,} / at step {EARLY:,}", [late["mb"] / early["mb"]], 1.2, least=False),
        row("resume, seconds of the processor", [resumed["cpu_s"]], 10, least=False),
        row("resume, seconds", [resumed["s"]], 10, least=False),
        row("report, seconds of the processor", [reported["cpu_s"]], 60, least=False),
        row("report, seconds", [reported["s"]], 60, least=False),
    ]
    size = {"steps": given.steps, "groups": GROUPS, "group_size": given.group_size, "problems": PROBLEMS}
    write("long_run", table, size=size, load=os.getloadavg(), early=early, late=late, resume=resumed, report=reported)


if __name__ == "__main__":
    sys.exit(main())
