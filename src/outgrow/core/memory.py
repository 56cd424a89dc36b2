"""How much memory there is, and how the process takes it from the system."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import torch

_CONTAINER = Path("/sys/fs/cgroup/memory.max")  # bytes, or max
_MUCH = 2**30  # bytes; to touch fewer again costs more time than they are worth
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8  # <malloc.h>


def keep_large_buffers() -> None:
    """Make glibc keep freed memory for the next step instead of handing it back to the kernel.

    By default every buffer above 32 MB is a fresh mapping whose pages fault in one by one, and smaller ones go back as soon
    as the heap's top is free. A training step frees and asks for the same buffers again and again, so without this up to a
    third of a CPU step is spent in the kernel. A C library without mallopt is left as it is.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_M_TOP_PAD, 2**26)


def give_back_memory() -> None:
    """Hand what is freed back to the kernel once, for a process that waits after its work; `keep_large_buffers` keeps it."""
    gc.collect()  # models and their optimizers refer to each other
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def give_back_much() -> None:
    """Hand what is freed back to the kernel if it is a gigabyte or more; called between writing and learning.

    What one of the two frees is in pieces that do not fit what the other asks for, so the process would hold both.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallinfo2.restype = _Heap
        if library.mallinfo2().free >= _MUCH:
            library.malloc_trim(0)


class _Heap(ctypes.Structure):
    """struct mallinfo2 of <malloc.h>."""

    _fields_: ClassVar = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "used", "free", "keepcost",
    )]  # fmt: skip


def return_large_buffers() -> None:
    """Make glibc hand freed memory back to the kernel, for a process of many threads that lives for weeks, or one of ranks.

    By default each thread keeps its own pool of freed memory, and buffers up to 32 MB join the pools once the first one is freed.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, 2**18)
        mallopt(_M_TRIM_THRESHOLD, 2**22)


def total_memory(device: torch.device) -> int:
    """Return the bytes of a GPU's memory; for a CPU those of the machine, or of its container's limit (cgroup v2).

    Memory in use is not subtracted, so the same run on the same machine gets the same number.
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_properties(device).total_memory
    return _machine_memory()


def share_of_memory(divisor: int) -> int:
    """Return a share of the machine's memory, or of its container's limit, in bytes: a limit for files of strangers."""
    return _machine_memory() // divisor


def _machine_memory() -> int:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        return min(whole, int(_CONTAINER.read_text()))
    return whole
