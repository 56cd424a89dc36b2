"""This machine as a row of a plan: its rates and its bandwidth, measured in about a second."""

import time
from collections.abc import Callable
from typing import Any

import torch

from ..config import Recipe
from ..core.memory import total_memory
from ..core.threads import require_threads
from ..policy.load import Dtype
from .gpus import GPU, GpuCatalog

_SECONDS = 0.12  # of each measurement
_KERNELS = 45  # of one layer's forward pass, as in gpus.toml
# What a run reaches of the measured figures on a CPU. Between two runs that were compared: micro (decoding faster than that) and
# SmolLM2-135M (slower); the parts of a plan were within a factor of four of both.
_CPU_REACHES = {"bandwidth_efficiency": 0.5, "rate_efficiency": 0.5}
# On a GPU: not measured; a rule of thumb, as in gpus.toml, for rates that are measured and not the maker's.
_GPU_REACHES = {"bandwidth_efficiency": 0.7, "rate_efficiency": 0.5}

# Not measured: PCI Express 4.0 for a GPU; for a CPU a network of 10 Gbit/s, since a second one is another machine.
_GPU_LINK_GB_S, _CPU_LINK_GB_S = 32.0, 1.25


def with_this_machine(catalog: GpuCatalog, recipe: Recipe) -> GpuCatalog:
    """Return the catalog with this machine as its first row, with the threads and the price of the recipe."""
    machine = measure_machine(recipe.run.threads, recipe.run.dollars_per_hour)
    return catalog.model_copy(update={"gpu": (machine, *catalog.gpu)})


def measure_machine(threads: int, dollars_per_hour: float) -> GPU:
    """Return this machine, as a run would use it: a CUDA device if torch finds one, else the CPU with this number of threads.

    memory_gb is the device's memory; on a CPU the machine's or its container's.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    require_threads(threads)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            figures: dict[str, Any] = {
                "bandwidth_gb_s": _bandwidth(device) / 1e9,
                "float32_tflops": _rate(device, "float32") / 1e12,
                "bfloat16_tflops": _rate(device, "bfloat16") / 1e12,
                "launch_ms": _KERNELS * _kernel_seconds(device) * 1e3,
                "link_gb_s": _GPU_LINK_GB_S if device.type == "cuda" else _CPU_LINK_GB_S,
            }
    finally:
        torch.set_num_threads(before)
    reaches = _GPU_REACHES if device.type == "cuda" else _CPU_REACHES
    return GPU(
        name="this machine",
        measured=True,
        dollars_per_hour=dollars_per_hour,
        memory_gb=total_memory(device) / 1e9,
        **figures,
        **reaches,
    )


def _rate(device: torch.device, dtype: Dtype) -> float:
    """Return the operations a second of a matrix product."""
    size = 4096 if device.type == "cuda" else 768
    left, right = (torch.ones(size, size, dtype=getattr(torch, dtype), device=device) for _ in range(2))
    return 2 * size**3 / _fastest(lambda: left @ right, device)


def _bandwidth(device: torch.device) -> float:
    """Return the bytes a second of reading more memory than caches hold."""
    numbers = torch.ones(2**28 if device.type == "cuda" else 2**25, device=device)
    return numbers.numel() * numbers.element_size() / _fastest(numbers.sum, device)


def _kernel_seconds(device: torch.device) -> float:
    """Return the seconds of a small operation, which are the time to start it."""
    row = torch.ones(64, 64, device=device)

    def several() -> None:
        for _ in range(100):
            row.add(1.0)

    return _fastest(several, device) / 100


def _fastest(work: Callable[[], Any], device: torch.device) -> float:
    """Return the seconds of the fastest of several calls, after one to warm up."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 4 or time.perf_counter() - began < _SECONDS:
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return max(1e-9, min(times[1:]))
