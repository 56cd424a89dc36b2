"""What this machine is: cores, memory, its GPU; and how fast it is, measured in about a second."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..core.memory import total_memory
from ..plan.gpus import GPU, GpuCatalog

_SIDE = 1024  # of the matrices that are multiplied
_BYTES = 2**27  # read at once, more than the caches hold
_KERNELS = 45  # small operations of one layer's forward pass, as plan/gpus.toml counts them
_SECONDS = 0.25  # of one measurement


@dataclass(frozen=True)
class Machine:
    """The machine that a recipe is written for."""

    cores: int
    """CPU cores that this process may use."""
    memory: int
    """Bytes of the GPU's memory; without a GPU, of the machine's."""
    gpu: str | None
    """The GPU's name; None without one."""
    bfloat16: bool
    """Whether a GPU computes in bfloat16; False without a GPU, since many processors only emulate it."""
    dollars_per_hour: float | None = None
    """Typical rental price of this GPU; None where the catalog does not have it."""


def look_at_machine(catalog: GpuCatalog) -> Machine:
    """Return what this machine is. catalog: where a GPU's price is found by its name."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not torch.cuda.is_available():
        return Machine(cores, total_memory(torch.device("cpu")), None, False)
    name, row = torch.cuda.get_device_name(), in_catalog(torch.cuda.get_device_name(), catalog)
    has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return Machine(cores, total_memory(torch.device("cuda")), name, has_bfloat16, row.dollars_per_hour if row else None)


def in_catalog(name: str, catalog: GpuCatalog) -> GPU | None:
    """Return the catalog's row for the name that a GPU has for its driver: all words of the row are in it; None without one."""
    words = set(name.replace("-", " ").split())
    return next((gpu for gpu in catalog.gpu if set(gpu.name.split()) <= words), None)


def measured_speed(machine: Machine) -> GPU:
    """Return this machine as a row of the catalog: its rates and bandwidth as measured now, for about a second."""
    device = torch.device("cuda" if machine.gpu else "cpu")
    float32 = _tflops(device, torch.float32)
    return GPU(
        name=machine.gpu or "this machine",
        dollars_per_hour=machine.dollars_per_hour or 0.0,
        memory_gb=machine.memory / 1e9,
        bandwidth_gb_s=_bandwidth(device),
        bfloat16_tflops=_tflops(device, torch.bfloat16) if machine.bfloat16 else float32,
        float32_tflops=float32,
        bandwidth_efficiency=1.0,  # both are measured, not a data sheet's
        rate_efficiency=1.0,
        launch_ms=_KERNELS * _kernel_ms(device),
    )


def _tflops(device: torch.device, dtype: torch.dtype) -> float:
    left = torch.ones(_SIDE, _SIDE, device=device, dtype=dtype)
    return 2 * _SIDE**3 * _rate(device, lambda: left @ left) / 1e12


def _bandwidth(device: torch.device) -> float:
    """Return 10^9 bytes read a second."""
    values = torch.ones(_BYTES // 4, device=device)
    return _BYTES * _rate(device, values.sum) / 1e9


def _kernel_ms(device: torch.device) -> float:
    small = torch.ones(64, device=device)
    return 1e3 / _rate(device, lambda: small + small)


def _rate(device: torch.device, call: Callable[[], object]) -> float:
    """Return calls a second, of the best of several batches: what others do on this machine only makes it slower."""
    best, until = 0.0, time.perf_counter() + _SECONDS
    count = 1
    while time.perf_counter() < until:
        began = time.perf_counter()
        for _ in range(count):
            call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        took = time.perf_counter() - began
        best = max(best, count / took)
        count = max(count, min(1000, int(count * 0.01 / max(took, 1e-9))))
    return best
