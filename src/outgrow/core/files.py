"""Writing files so that a reader, or the next process, never finds half of one, and reading files that anybody may have made.

A folder may come from a stranger. What is written into it is a new file or a regular file that is there: never what a link points
to, and never a pipe or a device.
"""

import errno
import json
import math
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO

from .errors import OutgrowError

MAX_BYTES = 2**32
"""Default limit of the bytes of a file that is read as a whole."""

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp")


def write_atomic(path: Path, content: bytes) -> None:
    """Write a temporary file of a new name, flush it to the disk, rename it. A link at `path` is replaced, never followed.

    Raises OSError and leaves the old file where that fails.
    """
    temporary = _temporary(path)
    try:
        with os.fdopen(open_plain(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def link_atomic(path: Path, target: str) -> None:
    """Make `path` a link to `target`, or let it point there. Raises OSError and leaves the old link where that fails."""
    temporary = _temporary(path)
    try:
        temporary.symlink_to(target)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def open_plain(path: Path, flags: int) -> int:
    """Open a regular file, and not what a link points to, with flags of `os.open`, and return its descriptor.

    Raises OSError where `path` is a link, a pipe, a device or a folder. It never waits for the other end of a pipe.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a link, which may lead out of its folder; remove it", str(path)) from error
        raise
    return _require_regular(descriptor, path)


def read_plain(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Return the bytes of a regular file, or of the regular file that a link points to.

    Raises OSError where it is a pipe, a device or a folder, or larger than `limit` bytes. It never waits.
    """
    with open_regular(path) as file:
        return read_rest(file, path, limit)


def read_own(path: Path, limit: int = MAX_BYTES) -> bytes:
    """Return the bytes of a regular file of a stranger's folder. Raises OSError as `read_plain` does, and where it is a link."""
    with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
        return read_rest(file, path, limit)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read, or the regular file that a link points to.

    Raises OSError where it is a pipe, a device or a folder. It never waits.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return os.fdopen(_require_regular(descriptor, path), "rb")


def read_rest(file: BinaryIO, path: Path, limit: int = MAX_BYTES) -> bytes:
    """Return the bytes from where an open file stands. Raises OSError where they are more than `limit`."""
    content = file.read(limit + 1) if os.fstat(file.fileno()).st_size - file.tell() <= limit else None
    if content is None or len(content) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", str(path))
    return content


def require_regular(path: Path) -> None:
    """Raise OSError where `path` is a pipe, a device or a folder, or does not exist."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise _not_regular(path)


def _require_regular(descriptor: int, path: Path) -> int:
    """Return the descriptor. Where it is not of a regular file, close it and raise OSError."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_json(path: Path) -> Any:
    """Return the value of a JSON file of up to 256 MiB. Raises what `read_plain` and `parse_json` raise."""
    return parse_json(read_plain(path, 2**28))


def parse_json(content: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises ValueError where it is not JSON, holds a number that is not finite, or is nested too deep to read.
    """
    try:
        return json.loads(content, parse_float=_finite, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _finite(text: str) -> float:
    """Return a number of a JSON text. Raises ValueError where it is NaN or infinite, also by its size."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not a finite number")
    return value


def _temporary(path: Path) -> Path:
    """Return a new name next to `path`, which nobody can have taken before."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def is_temporary(name: str) -> bool:
    """Return whether this is a name that `remove_temporary` removes."""
    return _TEMPORARY.fullmatch(name) is not None


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes left in a folder. Nothing may be writing into it."""
    if folder.is_dir():
        for entry in list(os.scandir(folder)):
            if is_temporary(entry.name):
                _discard(Path(entry.path))


def _discard(path: Path) -> None:
    """Remove a file, a link or a folder; what cannot be removed is left."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def new_folder(path: Path, replace: bool = False, suffix: str = "") -> Iterator[Path]:
    """Give an empty folder to fill; it is flushed to the disk and renamed to `path` at the end of the block.

    An exception inside the block removes it, so half a folder never has the final name, and with it the folders around it that were
    made for it. Raises OSError where `path` holds files already, unless `replace` is set: they are removed then. suffix: part of
    the temporary name, for a folder that two processes may make at the same time.
    """
    path = path if path.name else path.resolve()  # "." has no name, and no name next to its own
    unfinished = path.with_name(f"{path.name}{suffix}")
    temporary = _temporary(unfinished)
    around = missing_folders(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for entry in list(os.scandir(path.parent)):  # what a kill may have left
            if entry.name.startswith(f".{unfinished.name}.") and _TEMPORARY.fullmatch(entry.name):
                _discard(Path(entry.path))
        temporary.mkdir()
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


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a new name to write a file under; the file is flushed to the disk and renamed to `path` at the end of the block.

    An exception inside the block removes it, and with it the folders around it that were made for it. Raises FileExistsError where
    `path` exists, also if it has come to exist since.
    """
    temporary, around = _temporary(path), missing_folders(path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        temporary.rename(path)
        flush_folder(path.parent)
    except BaseException:
        _discard(temporary)
        remove_empty(around)
        raise


def is_empty(folder: Path) -> bool:
    """Return whether a folder holds nothing, or only temporary files that a kill left."""
    return all(_TEMPORARY.fullmatch(entry.name) for entry in folder.iterdir())


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
        doomed = _temporary(folder)
        folder.rename(doomed)
        if doomed.is_symlink():
            doomed.unlink()
        else:
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
