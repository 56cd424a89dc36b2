"""What the benchmarks share: sides measured in turn, each in a process of its own, and a table of aims that are met or not."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
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


def write_for_kind(name: str, table: Sequence[Found], **more: Any) -> None:
    """The same for figures that depend on the kind of processor: each kind has a file of its own, as NAME.avx2.json."""
    write(f"{name}.{instructions().lower().replace('-', '')}", table, **more)


def median_seconds(work: Callable[[], Any], times: int = 5) -> float:
    """Of so many calls, after one to warm up."""
    work()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def gemm_gflops(dtype: str = "float32") -> float:
    """This machine's own limit: products of a size that suits it."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    a, b = (torch.randn(size, 576).to(getattr(torch, dtype)) for size in (1024, 1536))
    return _gflops(lambda: torch.nn.functional.linear(a, b), 2 * a.shape[0] * b.numel())


def decoding_limits() -> Found:
    """What bounds a decoding step of 64 rows here: GFLOP/s of its products in float32 and in int8, and GB/s of reading memory.

    Each product has another matrix, as in a model: the next one is not in the cache.
    """
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    rows, outputs, inputs, count = 64, 1536, 576, 64
    x, byte = torch.randn(rows, inputs), torch.randint(0, 255, (rows, inputs), dtype=torch.uint8)
    weights = [torch.randn(outputs, inputs) for _ in range(count)]
    packed = [torch.ops.mkldnn._reorder_linear_weight(weight) for weight in weights]
    bytes_ = [torch.ops.onednn.qlinear_prepack(weight.to(torch.int8), None) for weight in weights]
    scales, zeros = torch.ones(outputs), torch.zeros(outputs, dtype=torch.long)
    with warnings.catch_warnings():  # torch 2.13 says that it will once be without such tensors
        warnings.simplefilter("ignore", UserWarning)
        values = [torch._make_per_channel_quantized_tensor(weight.to(torch.int8), scales, zeros, 0) for weight in weights]
    for_fbgemm = [torch.ops.quantized.linear_prepack(value, None) for value in values]

    def plain() -> None:
        for weight in weights:
            torch.nn.functional.linear(x, weight)

    def blocks() -> None:
        for weight in packed:
            torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")

    def fbgemm() -> None:
        for weight in for_fbgemm:
            torch.ops.quantized.linear_dynamic(x, weight, True)

    def onednn() -> None:
        for weight in bytes_:
            torch.ops.onednn.qlinear_pointwise(byte, 1.0, 128, weight, scales, zeros, None, 1.0, 0, torch.float32, "none", [], "")

    work = 2 * rows * outputs * inputs * count
    large = torch.randn(10**8)
    return {
        "float32_gflops": max(_gflops(plain, work), _gflops(blocks, work)),
        "int8_gflops": max(_gflops(onednn, work), _gflops(fbgemm, work)),
        "read_gb_a_second": _gflops(large.sum, 4 * large.numel()),
    }


def _gflops(work: Callable[[], Any], operations: int) -> float:
    """10⁹ operations a second, the best of some rounds."""
    work()
    rates = []
    for _ in range(5):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 0.5:
            work()
            count += 1
        rates.append(operations * count / (time.perf_counter() - began) / 1e9)
    return max(rates)


def processor() -> str:
    """The processor's name and kind."""
    lines = _cpuinfo().splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {instructions()}"


def instructions() -> str:
    """The kind of processor: the widest instructions that products use, AMX, AVX-512 or AVX2; elsewhere the machine's name."""
    flags = set(_cpuinfo().split())
    kinds = {"amx_bf16": "AMX", "avx512f": "AVX-512", "avx2": "AVX2"}
    return next((kind for flag, kind in kinds.items() if flag in flags), platform.machine())


def _cpuinfo() -> str:
    file = Path("/proc/cpuinfo")
    return file.read_text() if file.exists() else ""
