"""Files of JSON lines. A run appends to them; half a line, which a kill or a full disk leaves, is told from a whole one."""

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from .errors import OutgrowError
from .files import open_plain, open_regular, parse_json, read_plain, write_atomic

_BLOCK = 1 << 16  # bytes read at once


def append_line(path: Path, row: dict[str, Any]) -> None:
    """Append one JSON line and flush it to the disk. Half a line, of a kill or of a full disk, is dropped: before, and after.

    Raises OSError where `path` is not a regular file.
    """
    line = (json.dumps(row, allow_nan=False) + "\n").encode()
    with os.fdopen(open_plain(path, os.O_RDWR | os.O_APPEND | os.O_CREAT), "a+b", buffering=0) as file:
        end = _end_of_lines(cast(BinaryIO, file))
        try:
            if end != file.seek(0, os.SEEK_END):
                file.truncate(end)
            if file.write(line) != len(line):  # a disk that fills up takes a part
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                file.truncate(end)
            raise


def _end_of_lines(file: BinaryIO) -> int:
    """Return the number of bytes through the last whole line."""
    size = file.seek(0, os.SEEK_END)
    start, tail = size, b""
    while start and b"\n" not in tail:
        start = max(0, start - 4096)
        file.seek(start)
        tail = file.read(size - start)
    return start + tail.rfind(b"\n") + 1


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return all whole JSON lines, without a last line that a kill cut short.

    Raises OSError where the file is not a regular one, and ValueError where a line is not a JSON object.
    """
    if not path.exists():
        return []
    rows = [parse_json(line) for line in read_plain(path).split(b"\n")[:-1]]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is not a JSON object")
    return rows


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines in place of what was there, atomically."""
    write_atomic(path, b"".join((json.dumps(row) + "\n").encode() for row in rows))


def lines_backwards(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (offset of its end, line) of every whole line, the last one first; none where there is no file.

    The file is read from its end, so the last lines of a long file cost as little as those of a short one. Raises OSError where it
    is not a regular file.
    """
    if not path.exists():
        return
    with open_regular(path) as file:
        start, rest = file.seek(0, os.SEEK_END), b""
        end: int | None = None  # of the line whose beginning is looked for
        while start > 0:
            size = min(_BLOCK, start)
            start -= size
            file.seek(start)
            rest = file.read(size) + rest
            while (cut := rest.rfind(b"\n")) >= 0:
                if end is not None:
                    yield end, rest[cut + 1 :]
                end, rest = start + cut + 1, rest[:cut]
        if end is not None:
            yield end, rest


def keep_lines_through(path: Path, step: int) -> None:
    """Drop every line of a later step, and a torn last line. Steps come in order: only what is dropped is read.

    Raises OSError where it is not a regular file, and OutgrowError where a line that is read has no step.
    """
    if not path.exists():
        return
    keep = next((end for end, line in lines_backwards(path) if _step_of(line, path) <= step), 0)
    if keep < path.stat().st_size:
        with os.fdopen(open_plain(path, os.O_RDWR), "r+b") as file:
            file.truncate(keep)
            os.fsync(file.fileno())


def _step_of(line: bytes, path: Path) -> int:
    """Return the step of a JSON line. Raises OutgrowError where it has none."""
    try:
        return int(parse_json(line)["step"])
    except (ValueError, TypeError, LookupError) as error:
        raise OutgrowError(f"{path}: cannot be read ({error}); restore it from a copy") from error
