"""Ray's folder among the temporary files: removed when Ray ends, or by the next start where the process was killed before.

A process holds a lock in its folder. The kernel takes it back however the process ends, so a folder whose lock is free belongs to
nobody. A process id in the name would say less: ids are given out again, and one of another container or machine looks dead here.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...core.files import open_plain

_PREFIX = "outgrow-ray-"
_LOCK = "lock"
_RANDOM = 8  # characters that tempfile adds
_RAYS = len(
    "/session_2026-11-30_21-42-06_123456_4194304/sockets/plasma_store"
)  # what Ray adds: date, time and the longest process id
_SOCKET = 103  # bytes of a socket's path that the kernel takes: 107 on Linux, 103 on macOS


@contextmanager
def session_folder() -> Iterator[str]:
    """Make a folder for Ray, for as long as the block takes; first remove those that killed processes have left."""
    place = place_for(tempfile.gettempdir())
    remove_left(place)
    folder = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
    try:
        with _locked(Path(folder)):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place_for(temporary: str) -> str:
    """Return where the folder is made: among these temporary files, or in /tmp where the names of Ray's sockets grow too long."""
    longest = _SOCKET - _RAYS - len(f"/{_PREFIX}") - _RANDOM
    return temporary if len(os.fsencode(temporary)) <= longest else "/tmp"


def remove_left(place: str) -> None:
    """Remove the folders here whose processes no longer live. What another user or a link has put here stays, and so does a folder
    without a lock, as on a file system that has none.
    """
    with suppress(OSError):
        for entry in list(os.scandir(place)):
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                _remove_if_left(Path(entry.path))


def _remove_if_left(folder: Path) -> None:
    with suppress(OSError), os.fdopen(open_plain(folder / _LOCK, os.O_RDWR), "r+b") as lock:
        if os.fstat(lock.fileno()).st_uid == os.getuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where its process lives
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    new = folder / f"{_LOCK}.new"
    with new.open("wb") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(folder / _LOCK)  # not before: nobody may find it free
        yield
