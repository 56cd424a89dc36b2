"""Writing files so that a reader, or the next process, never finds half of one."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO, cast

from .errors import OutgrowError

_BLOCK = 1 << 16  # bytes read at once


def write_atomic(path: Path, content: bytes) -> None:
    """Write a temporary file, flush it to the disk, rename it. Raises OSError and leaves the old file where that fails."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


@contextmanager
def new_folder(path: Path, replace: bool = False, suffix: str = "") -> Iterator[Path]:
    """Give an empty folder to fill; it is flushed to the disk and renamed to `path` at the end of the block.

    An exception inside the block removes it, so half a folder never has the final name, and with it the folders around it that were
    made for it. Raises OSError where `path` holds files already, unless `replace` is set: they are removed then. suffix: part of
    the temporary name, for a folder that two processes may make at the same time.
    """
    path = path if path.name else path.resolve()  # "." has no name, and no name next to its own
    temporary = path.with_name(f".{path.name}{suffix}.tmp")
    around = missing_folders(path.parent)
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # what a kill may have left
        temporary.mkdir(parents=True)
        yield temporary
        flush_tree(temporary)
        if replace:
            remove_tree(path)
        temporary.rename(path)
        flush_folder(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        remove_empty(around)
        raise


def is_empty(folder: Path) -> bool:
    """Return whether a folder holds nothing, or only temporary files that a kill left."""
    return all(entry.name.startswith(".") and entry.name.endswith(".tmp") for entry in folder.iterdir())


def missing_folders(path: Path) -> tuple[Path, ...]:
    """Return `path` and the folders around it that do not exist, the innermost first."""
    path = path.absolute()
    return tuple(takewhile(lambda folder: not folder.exists(), (path, *path.parents)))


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove these folders, the innermost first, up to one that holds something."""
    with suppress(OSError):
        for folder in folders:
            if folder.exists():
                folder.rmdir()


def flush_folder(folder: Path) -> None:
    """Make renames and new names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_tree(folder: Path) -> None:
    """Flush every file in a folder to the disk, then the folders themselves."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            flush_folder(path)
    flush_folder(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder if it is there. It is renamed first, so that a kill half way leaves no folder with a good name."""
    if folder.exists():
        doomed = folder.with_name(f".{folder.name}.doomed")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed)


def require_writable(folder: Path) -> None:
    """Raise OutgrowError where no file can be made in this folder, so that work whose result would be lost is not begun."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutgrowError(f"{folder}: cannot write into this folder ({error.strerror}); make it writable") from error


def make_writable(folder: Path) -> None:
    """Make a folder if it is not there. Raises OutgrowError where it cannot be made, or cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutgrowError(f"{folder}: cannot make this folder ({error.strerror})") from error
    require_writable(folder)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in the order given. Raises ValueError on NaN, which JSON does not have."""
    write_atomic(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def append_line(path: Path, row: dict[str, Any]) -> None:
    """Append one JSON line and flush it to the disk. Half a line, of a kill or of a full disk, is dropped: before, and after."""
    line = (json.dumps(row, allow_nan=False) + "\n").encode()
    with path.open("a+b", buffering=0) as file:
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
    """Return all whole JSON lines, without a last line that a kill cut short."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines in place of what was there, atomically."""
    write_atomic(path, b"".join((json.dumps(row) + "\n").encode() for row in rows))


def lines_backwards(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (offset of its end, line) of every whole line, the last one first; none where there is no file.

    The file is read from its end, so the last lines of a long file cost as little as those of a short one.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
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


def last_row(path: Path) -> dict[str, Any] | None:
    """Return the last whole JSON line; None where there is none."""
    for _, line in lines_backwards(path):
        row: dict[str, Any] = json.loads(line)
        return row
    return None


def each_row(path: Path) -> Iterator[dict[str, Any]]:
    """Yield all whole JSON lines, one in memory at a time; none where there is no file."""
    if path.exists():
        with path.open("rb") as file:
            yield from (json.loads(line) for line in file if line.endswith(b"\n"))


def keep_lines_through(path: Path, step: int) -> None:
    """Drop every line of a later step, and a torn last line. Steps come in order: only what is dropped is read."""
    if not path.exists():
        return
    keep = next((end for end, line in lines_backwards(path) if json.loads(line)["step"] <= step), 0)
    if keep < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(keep)
            os.fsync(file.fileno())
