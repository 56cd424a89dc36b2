"""Opening a file of rows that anybody may have made: no pipe, no line without an end, nothing that unpacks to more than memory."""

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, AnyStr, cast

from ..core.errors import UsageError
from ..core.files import open_regular
from ..core.memory import share_of_memory

_UNPACKED = 4  # share of memory that a compressed file may unpack to, as a divisor
_WHOLE = 16  # that a line, or a file that is read as a whole, may take: its values take several times as much
_BLOCK = 2**20  # bytes unpacked at once


def open_file(path: Path) -> IO[bytes]:
    """Open a file to read, a .gz file unpacked. It never waits.

    Raises OSError where it is not a regular file; reading raises UsageError where it unpacks to more than `unpacked_limit`.
    """
    file = open_regular(path)
    return io.BufferedReader(_Unpacked(path, file), _BLOCK) if path.suffix.lower() == ".gz" else file


def read_whole(path: Path, file: IO[bytes], before: bytes = b"") -> bytes:
    """Return `before` and what is left of a file. Raises UsageError where that is too much to be held at once."""
    limit = share_of_memory(_WHOLE)
    content = before + file.read(max(0, limit + 1 - len(before)))
    if len(content) > limit:
        raise UsageError(f"{path}: too large to be read at once (more than {_size(limit)}); write it as JSON lines, a row a line")
    return content


def lines_of(path: Path, file: IO[AnyStr]) -> Iterator[AnyStr]:
    """Yield the lines of a file, each with its end. Raises UsageError where a line is too long to be held."""
    limit, number = share_of_memory(_WHOLE), 0
    while line := file.readline(limit + 1):
        number += 1
        if len(line) > limit:
            raise UsageError(f"{path}, line {number}: longer than {_size(limit)}; write a row a line")
        yield line


def unpacked_limit() -> int:
    """Return the bytes that a compressed file may unpack to: a quarter of memory."""
    return share_of_memory(_UNPACKED)


def too_much(path: Path) -> UsageError:
    """Return the error for a file that unpacks to more than `unpacked_limit`."""
    size = _size(path.stat().st_size)
    advice = "if you trust it, split it into several files or unpack it into JSON lines"
    return UsageError(f"{path}: its {size} unpack to more than {_size(unpacked_limit())}, a quarter of memory; {advice}")


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 10**7 else f"{count:,} bytes"


class _Unpacked(io.RawIOBase):
    """The content of a .gz file, up to a limit."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file, self._content = path, file, cast(IO[bytes], gzip.GzipFile(fileobj=file))
        self._left = unpacked_limit()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # mypy has no type of a buffer to write into
        content = self._content.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise too_much(self._path)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._content.close()
        self._file.close()
        super().close()
