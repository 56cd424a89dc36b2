"""Computing the same to the last bit every time, as a run does."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .memory import keep_large_buffers, return_large_buffers
from .threads import require_threads

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def deterministic(threads: int, key: str = "run.threads", keep_buffers: bool = True) -> Iterator[None]:
    """Compute inside as a run does: with this many threads, and the same to the last bit every time.

    The threads, torch's flags and the environment are put back at the end; what the C library does with freed memory is not.
    Raises UsageError where these are too many threads. key: the setting that asks for them. keep_buffers: keep freed memory for
    the next step, which is faster; otherwise it is handed back, which takes less of it.
    """
    require_threads(threads, key)
    (keep_large_buffers if keep_buffers else return_large_buffers)()
    buffers: Any = torch.utils.deterministic
    before, filled = torch.get_num_threads(), buffers.fill_uninitialized_memory
    enabled, warn_only = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    # What cuBLAS asks for before it repeats itself to the last bit; a few operations never do on a GPU, and torch names them.
    workspace = os.environ.get(_WORKSPACE)
    os.environ.setdefault(_WORKSPACE, ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    # That also fills every new buffer, to show reads of what was never written; there are none, and it is 4% of a micro step.
    buffers.fill_uninitialized_memory = False
    try:
        yield
    finally:
        buffers.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.set_num_threads(before)
        if workspace is None:
            del os.environ[_WORKSPACE]
