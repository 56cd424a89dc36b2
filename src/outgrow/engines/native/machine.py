"""The kind of machine that this is, and the layouts that it is known to be fastest with."""

import platform
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ...core.errors import UsageError
from ...core.files import read_json, write_json
from ...policy.pull import cache_folder

_CPUINFO = Path("/proc/cpuinfo")


def machine() -> str:
    """Return what decides how fast products are here and how they round: processor, its instructions, threads, torch."""
    return f"{processor()}, {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


@lru_cache(maxsize=1)
def processor() -> str:
    """Return the processor's name, in characters that can be printed."""
    name = ""
    with suppress(OSError):
        lines = _CPUINFO.read_text(errors="replace").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    name = name or platform.processor() or platform.machine()
    return "".join(filter(str.isprintable, name))[:200]


def load_layouts() -> dict[str, str]:
    """Return the name of the fastest layout for each matrix that was measured on this kind of machine."""
    known = _table().get(machine())
    return {str(key): str(name) for key, name in known.items()} if isinstance(known, dict) else {}


def save_layouts(layouts: dict[str, str]) -> None:
    """Keep them for the next process, where the cache can be written."""
    try:
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_json(_file(), _table() | {machine(): layouts})
    except (OSError, UsageError):
        return  # they are measured again


def _table() -> dict[str, Any]:
    try:
        table = read_json(_file())
    except (OSError, ValueError, UsageError):
        return {}
    return table if isinstance(table, dict) else {}


def _file() -> Path:
    return cache_folder() / "layouts.json"
