"""Opening a GGUF file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError

if TYPE_CHECKING:
    from gguf import GGUFReader


def open_gguf(path: str) -> GGUFReader:
    """Return the reader of a file. Raises UsageError where the file is empty, and what gguf raises where it is another thing."""
    from gguf import GGUFReader

    if not Path(path).stat().st_size:
        raise UsageError("the file is empty")
    return GGUFReader(path)
