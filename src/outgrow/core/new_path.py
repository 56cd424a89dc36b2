"""Where a command writes something new: nothing that exists is replaced, and a file where a folder must be is named."""

from pathlib import Path

from .errors import UsageError


def require_new(path: Path) -> None:
    """Raise UsageError where `path` exists, or cannot, since a file stands where one of its folders must be."""
    if path.exists() or path.is_symlink():
        raise taken(path)
    require_folders_above(path)


def taken(path: Path) -> UsageError:
    """Return the error that says that `path` exists."""
    return UsageError(f"{path} already exists; choose another --out")


def require_folders_above(path: Path) -> None:
    """Raise UsageError where something above `path` exists and is no folder."""
    for above in path.parents:
        if (above.exists() or above.is_symlink()) and not above.is_dir():
            raise UsageError(f"{above} is not a folder, so nothing can be written into it; choose another place")
