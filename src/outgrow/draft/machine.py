"""What this machine is: cores, memory, its GPU."""

import os
from dataclasses import dataclass

import torch

from ..core.memory import total_memory
from ..plan.gpus import GPU, GpuCatalog


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
