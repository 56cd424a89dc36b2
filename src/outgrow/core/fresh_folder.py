"""A command that fails at its start leaves no folder behind, and touches nothing that was there before it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .files import missing_folders, remove_empty, remove_tree


@dataclass(frozen=True)
class FreshFolder:
    """What there was of a folder before a command wrote into it. Make it with `FreshFolder.of`."""

    path: Path
    missing: tuple[Path, ...]
    """The folder and those around it that did not exist, the innermost first; empty where the folder was there."""
    empty: bool
    """Whether the folder was missing or held nothing. Only then is what it holds now of the command."""

    @staticmethod
    def of(path: Path) -> "FreshFolder":
        """Look at a folder before anything is written into it."""
        path = path.absolute()
        missing = missing_folders(path)
        return FreshFolder(path, missing, bool(missing) or (path.is_dir() and not any(path.iterdir())))

    def undo(self) -> None:
        """Remove what was written since `of`, and the folders that were made for it. A folder that held something stays as it is.

        What cannot be removed is left.
        """
        if not self.empty or not self.path.is_dir():
            remove_empty(self.missing)
            return
        with suppress(OSError):
            if self.missing:
                remove_tree(self.path)
                remove_empty(self.missing)
                return
            for entry in self.path.iterdir():  # the folder stays: a shell or this process may work in it
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()


@contextmanager
def undone_on_failure(
    fresh: FreshFolder, began: Callable[[], bool], stops: tuple[type[BaseException], ...] = (KeyboardInterrupt,)
) -> Iterator[None]:
    """Undo what the block wrote into a fresh folder where it raises before anything is there that could be continued.

    began: whether something is. stops: exceptions by which a person stops the block; what it wrote stays then.
    """
    try:
        yield
    except stops:
        raise
    except BaseException:
        if not began():
            fresh.undo()
        raise
