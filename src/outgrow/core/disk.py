"""Errors of the machine, which a person repairs outside of the program: a full or read-only disk, a permission, a limit, a lock."""

import errno
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

DISK_ERRORS = (OSError, sqlite3.Error)
"""What reading and writing files raises."""

_SPACE = "free some space"
_WRITABLE = "make the folder writable"
_DISK = "check the disk or the network file system"
_ADVICE = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EFBIG: "raise the limit of a file's size (ulimit -f)",
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
    errno.EROFS: _WRITABLE,
    errno.EIO: _DISK,
    errno.ESTALE: _DISK,
    errno.ENOLCK: "use a file system that can lock files (of NFS: version 4, or one with its lock service)",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files (ulimit -n)",
    errno.ENAMETOOLONG: "give a shorter name",
}
_CANNOT_OPEN = "make the folder writable, or raise the limit of open files (ulimit -n)"  # SQLite does not say which
_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_PROTOCOL: errno.ENOLCK,
    sqlite3.SQLITE_NOLFS: errno.EFBIG,
}
_OS_ERROR = re.compile(r"\(os error (\d+)\)")  # how Rust's libraries say it


def fault_of(error: BaseException) -> str | None:
    """Return what is wrong with the machine and what to do, in a few words; None for an error of another kind.

    >>> fault_of(OSError(errno.ENOSPC, "No space left on device", "a.json"))
    'a.json: No space left on device; free some space'
    """
    if _sqlite_code(error) == sqlite3.SQLITE_CANTOPEN:
        return f"SQLite: {error}; {_CANNOT_OPEN}"
    number = _number(error)
    if number not in _ADVICE:
        return None
    name = f"{error.filename}: " if isinstance(error, OSError) and isinstance(error.filename, str) else ""
    said = f"SQLite: {error}" if isinstance(error, sqlite3.Error) else os.strerror(number)
    return f"{name}{said}; {_ADVICE[number]}"


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    code = _sqlite_code(error)
    return None if code is None else _SQLITE.get(code)


def _sqlite_code(error: BaseException) -> int | None:
    """Return SQLite's primary result code; the rest of an extended one says where."""
    code = getattr(error, "sqlite_errorcode", None) if isinstance(error, sqlite3.Error) else None
    return None if code is None else code & 0xFF


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Raise OSError for an error of the operating system that a library raises as another type, such as a bare Exception.

    >>> with as_os_errors():
    ...     raise Exception("No space left on device (os error 28)")
    Traceback (most recent call last):
    OSError: [Errno 28] No space left on device
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        match = _OS_ERROR.search(str(error))
        if match is None:
            raise
        raise OSError(int(match[1]), os.strerror(int(match[1]))) from error
