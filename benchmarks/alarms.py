"""The alarms of a run: how soon each one rings where its fault is injected, and how often on healthy runs.

    python benchmarks/alarms.py                       # the faults, then 300 healthy runs; writes benchmarks/results/alarms.json
    python benchmarks/alarms.py --runs 20 --minutes 5 --folder /tmp/alarms

Real runs of the shipped micro model, 15 steps each, forked from a process that holds the imports. Healthy runs differ in shape and
seed. Each run is a line of FOLDER/runs.jsonl, so the same command continues where it was stopped. A run of other code counts no
more.
"""

import argparse
import hashlib
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import alarm_jobs
from alarm_jobs import ALARMS, FAULTS, FIRST_STEP, SHAPES, Fault, held_out, present_step, rung, simulate_judge
from bench import RESULTS, processor
from kill_jobs import Work
from kills import import_commands, prepare, start, upper_95, wait

_AIM = 0.02


def main() -> None:
    """Do the runs that are missing, then write what came of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=300, help="healthy runs; default: 300")
    parser.add_argument("--folder", type=Path, default=Path("runs/alarms"), help="results of runs; default: runs/alarms")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time; the same command continues")
    options = parser.parse_args()
    import_commands()
    from outgrow.experiments.code_digest import code_digest

    jobs_digest = hashlib.sha256(Path(alarm_jobs.__file__).read_bytes()).hexdigest()[:8]
    folder, code = options.folder.resolve(), f"{code_digest()}-{jobs_digest}"
    folder.mkdir(parents=True, exist_ok=True)
    file, work = folder / "runs.jsonl", Work((), files={"held.jsonl": held_out()})
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {line["name"]: line for line in lines if line["code"] == code}
    shapes, until = list(SHAPES), time.monotonic() + 60 * options.minutes
    jobs: dict[str, Callable[[Path], dict[str, Any]]] = {f"fault {name}": _faulty(fault) for name, fault in FAULTS.items()}
    for seed in range(options.runs):
        shape = shapes[seed % len(shapes)]
        jobs[f"healthy {seed} {shape}"] = _healthy(shape, seed)
    for name, job in jobs.items():
        if name in done or time.monotonic() >= until:
            continue
        prepare(folder / "work", work)
        before = _processor_s()
        line = {"name": name, "code": code, **job(folder / "work"), "cpu_s": round(_processor_s() - before, 2)}
        with file.open("a") as lines_file:
            lines_file.write(json.dumps(line) + "\n")
        done[name] = line
        print(json.dumps({key: value for key, value in line.items() if key != "code"}), flush=True)
    _write(done, code)


def _faulty(fault: Fault) -> Callable[[Path], dict[str, Any]]:
    def job(folder: Path) -> dict[str, Any]:
        def inject() -> None:
            fault.inject(present_step())

        if fault.resumed:
            _run(folder, (*_train(fault.settings), "--set", f"learn.steps={fault.first_step - 1}"), lambda: None)
            _run(folder, ("resume", "run", "--set", fault.settings[0]), inject)
        else:
            _run(folder, _train(fault.settings), inject)
        rings = _rings(folder)
        ring = next((each for each in rings if each["alarm"] == fault.alarm), None)
        others = sorted({each["alarm"] for each in rings} - {fault.alarm})
        return {
            "alarm": fault.alarm,
            "what": fault.what,
            "steps": None if ring is None else max(0, ring["step"] - max(1, fault.first_step) + 1),
            "text": "" if ring is None else ring["text"],
            "others": others,
            "early": sorted({each["alarm"] for each in rings if each["step"] < fault.first_step - 1}),
        }

    return job


def _healthy(shape: str, seed: int) -> Callable[[Path], dict[str, Any]]:
    def job(folder: Path) -> dict[str, Any]:
        status = _run(folder, (*_train(SHAPES[shape]), "--set", f"seed={seed}"), simulate_judge)
        rings = _rings(folder)
        if status and not rings:
            sys.exit(f"{shape}, seed {seed}: ended with {status}; see {folder}/cache/log")
        hints = sum(line["text"].startswith("step ") for line in _lines(folder / "run" / "warnings.jsonl"))
        return {"shape": shape, "seed": seed, "rings": rings, "hints": hints, "looks": _looks(folder)}

    return job


def _train(settings: tuple[str, ...]) -> tuple[str, ...]:
    return ("train", "micro", "--out", "run", *(part for setting in settings for part in ("--set", setting)))


def _run(folder: Path, arguments: tuple[str, ...], first: Callable[[], None]) -> int | None:
    return wait(start(folder, arguments, "alarms", first))


def _rings(folder: Path) -> list[dict[str, Any]]:
    """Return the alarms of a run in their order: the step, and the text. A run that failed says so last."""
    run = folder / "run"
    told = [(line["step"], line["text"]) for line in _lines(run / "warnings.jsonl")]
    told += [(line["step"] + 1, line["reason"]) for line in _lines(run / "sessions.jsonl") if line.get("end") == "error"]
    if (run / "worse.json").exists():
        worse = json.loads((run / "worse.json").read_text())
        told.append((worse["step"], worse["text"]))
    alarms = [(step, text) for step, text in told if rung(text) or text.startswith("ALARM")]
    rings = [{"alarm": rung(text) or "unknown", "step": step, "text": text} for step, text in alarms]
    return list({ring["alarm"]: ring for ring in reversed(rings)}.values())[::-1]


def _looks(folder: Path) -> int:
    return len(_lines(folder / "run" / "validation.jsonl"))


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _write(done: dict[str, dict[str, Any]], code: str) -> None:
    """Write how soon each alarm rang on its faults, and how often on the healthy runs."""
    faults = {name.removeprefix("fault "): line for name, line in done.items() if name.startswith("fault ")}
    healthy = [line for name, line in done.items() if name.startswith("healthy ")]
    n = len(healthy)
    judged = [line for line in healthy if line["shape"] == "judge"]
    alarms = {
        alarm: _rate([any(ring["alarm"] == alarm for ring in line["rings"]) for line in (judged if "judge" in alarm else healthy)])
        for alarm in ALARMS
    }
    shapes = {
        shape: {
            "runs": sum(line["shape"] == shape for line in healthy),
            "rang": sum(line["shape"] == shape and bool(line["rings"]) for line in healthy),
            "hinted": sum(line["shape"] == shape and bool(line["hints"]) for line in healthy),
        }
        for shape in SHAPES
    }
    table = {
        "processor": processor(),
        "code": code,
        "aim": _AIM,
        "first_step": FIRST_STEP,
        "faults": {
            name: {key: line[key] for key in ("alarm", "what", "steps", "text", "others", "early")} for name, line in faults.items()
        },
        "healthy": {
            "runs": n,
            "seeds": [min((line["seed"] for line in healthy), default=None), max((line["seed"] for line in healthy), default=None)],
            "shapes": shapes,
            "alarms": alarms,
            "any": _rate([bool(line["rings"]) for line in healthy]),
            "cpu_s": round(sum(line["cpu_s"] for line in healthy) / n, 2) if n else None,
        },
    }
    (RESULTS / "alarms.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps({key: table["healthy"][key] for key in ("runs", "alarms", "any", "cpu_s")}, indent=1))


def _rate(rang: list[bool]) -> dict[str, Any]:
    """Return how many runs rang, of those that could, with the upper end of the one-sided 95% interval of the rate."""
    count, n = sum(rang), len(rang)
    return {"rang": count, "runs": n, "share": round(count / n, 5) if n else None, "upper_95": upper_95(count, n)}


if __name__ == "__main__":
    main()
