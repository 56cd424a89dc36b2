"""The list of runs: searched, ordered, and looked at again as runs write."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from ...runs.folder import RunFolder
from .run_summary import RunRow, RunSummary
from .stamps import Pause, stamp_of

SORTS: Mapping[str, Callable[[RunRow], Any]] = {
    "name": lambda row: row.name.casefold(),
    "started": lambda row: row.started,
    "left": lambda row: row.seconds_left if row.state == "training" else None,
    "recipe": lambda row: row.recipe.casefold() or None,
    "model": lambda row: row.model.casefold() or None,
    "lr": lambda row: row.lr,
    "steps": lambda row: None if row.error else row.steps_done,
    "before": lambda row: row.before and row.before.value,
    "after": lambda row: row.after and row.after.value,
    "change": lambda row: row.change and row.change.value,
}
"""Order of the list -> what it sorts by; None comes last."""


ORDERS: Mapping[str, str] = {
    "": "last written first",
    "-started": "last started first",
    "name": "name",
    "recipe": "recipe",
    "model": "model",
    "-lr": "largest learning rate first",
    "left": "least time left first",
    "-after": "best after training first",
    "-change": "largest gain first",
    "change": "largest loss first",
}
"""Orders that the page's form offers; the headings of the columns offer the others too."""


def matching(rows: Iterable[RunRow], words: str = "", tags: Sequence[str] = (), state: str = "") -> list[RunRow]:
    """Return the runs that have every word in their name, recipe, model or tags, all of these tags, and this state."""
    wanted = words.casefold().split()
    return [
        row
        for row in rows
        if all(word in "\n".join((row.name, row.recipe, row.model, *row.tags)).casefold() for word in wanted)
        and set(tags) <= set(row.tags)
        and state in ("", row.state)
    ]


def ordered(rows: Sequence[RunRow], order: str) -> list[RunRow]:
    """Return the runs in an order of SORTS, largest first with a `-` before its name; in any other order, as they are."""
    key = SORTS.get(order.removeprefix("-"))
    if key is None:
        return list(rows)
    known = [row for row in rows if key(row) is not None]
    return [*sorted(known, key=key, reverse=order.startswith("-")), *(row for row in rows if key(row) is None)]


class Listing:
    """The runs of a folder. Safe to use from several threads."""

    def __init__(self, folder: Path, share: float = 1.0) -> None:
        """share: of a core, for looking at the files of all runs (see `Pause`)."""
        self._folder, self._pause, self._lock = folder, Pause(share), Lock()
        self._known: dict[str, RunSummary] = {}
        self._rows: list[RunRow] = []
        self._states: list[str] = []
        self.version = 0
        """Changes whenever a row or the state of one does."""

    def rows(self) -> list[RunRow]:
        """Return all runs, the last that wrote first."""
        with self._lock:
            if self._pause.over():
                with self._pause.look():
                    looks = [(name, self._summary(name).look()) for name in run_names(self._folder)]
                rows = sorted((self._summary(name).row(stamps) for name, stamps in looks), key=lambda row: -row.wrote)
                for gone in self._known.keys() - {name for name, _ in looks}:
                    del self._known[gone]
                states = [row.state for row in rows]
                if (states, rows) != (self._states, self._rows):
                    self._states, self._rows = states, rows
                    self.version += 1
            return self._rows

    def row(self, name: str) -> RunRow:
        """Return a run of the folder as it stands now."""
        summary = self._summary(name)
        return summary.row(summary.look())

    def _summary(self, name: str) -> RunSummary:
        return self._known.setdefault(name, RunSummary(self._folder / name))


def run_names(folder: Path) -> list[str]:
    """Return the names of the runs in a folder."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if stamp_of(f"{entry.path}/{RunFolder(Path(entry.name)).recipe.name}")]
