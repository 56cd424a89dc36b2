"""What the benchmarks share: sides measured in turn, each in a process of its own, and a table of aims that are met or not."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Found = dict[str, Any]


def in_process(file: str, *arguments: str, python: str = sys.executable, environment: dict[str, str] | None = None) -> Found:
    """The JSON object that a script prints as its last line."""
    settings = {**os.environ, "HF_HUB_OFFLINE": "1", **(environment or {})}
    done = subprocess.run([python, file, *arguments], env=settings, stdout=subprocess.PIPE, text=True, check=True)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    shown = {name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()}
    print(*arguments, shown, flush=True)
    return found


def row(figure: str, values: Sequence[float], must: float | None = None, *, least: bool = True) -> Found:
    """A line of a table: median, lowest and highest; `must` the aim, at least or at most, None where there is none."""
    middle = statistics.median(values)
    met = None if must is None else middle >= must if least else middle <= must
    return {
        "figure": figure,
        "median": middle,
        "lowest": min(values),
        "highest": max(values),
        "must": must,
        "least": least,
        "met": met,
    }


def told(line: Found) -> str:
    """A line of a table, for a terminal."""
    spread = f"{line['median']:.3g} ({line['lowest']:.3g} to {line['highest']:.3g})"
    if line["must"] is None:
        return f"{line['figure']:64} {spread}"
    aim = f"{'>=' if line['least'] else '<='} {line['must']:g}"
    return f"{line['figure']:64} {spread:28} must {aim:8} {'met' if line['met'] else 'falls short'}"


def write(name: str, table: Sequence[Found], **more: Any) -> None:
    """Print the table, and keep it with the machine's kind and the versions."""
    print(*map(told, table), sep="\n", flush=True)
    made_with = {}
    for package in ("outgrow", "torch", "transformers", "trl", "peft"):
        try:
            made_with[package] = version(package)
        except PackageNotFoundError:
            continue
    machine = {"cores": os.cpu_count(), "processor": processor(), "python": platform.python_version()}
    found = {"machine": machine, "versions": made_with, "table": list(table), **more}
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def median_seconds(work: Callable[[], Any], times: int = 5) -> float:
    """Of so many calls, after one to warm up."""
    work()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def gemm_gflops() -> float:
    """This machine's own limit: float32 products of a size that suits it."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    a, b = torch.randn(1024, 576), torch.randn(1536, 576)
    rates = []
    for _ in range(5):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 0.5:
            torch.nn.functional.linear(a, b)
            count += 1
        rates.append(2 * a.shape[0] * b.numel() * count / (time.perf_counter() - began) / 1e9)
    return max(rates)


def processor() -> str:
    """The processor's name, and whether it multiplies bfloat16 by itself."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), platform.machine())
    return f"{name}, {'AMX' if 'amx_bf16' in text else 'AVX-512' if 'avx512f' in text else 'no AVX-512'}"
