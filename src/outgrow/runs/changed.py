"""What was changed when a run was resumed, as its recipe.toml keeps it under made_with.changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.changes import arrow
from ..core.errors import OutgrowError

CHANGED = "changed"
"""The key below made_with: a list of tables with after_step and what was changed then (settings, data, versions)."""


@dataclass(frozen=True)
class Change:
    """One change of a run. It holds for the steps after `after_step`."""

    after_step: int
    what: str
    """A recipe's key; "data"; or "version of PACKAGE"."""
    text: str
    """`old → new`; of data, what differs."""

    def __str__(self) -> str:
        return f"{self.what}: {self.text}" if self.what == "data" else f"{self.what} {self.text}"


def changes_of(made_with: Mapping[str, Any]) -> list[Change]:
    """Return what was changed while a run was trained, in the order of the changes.

    Raises OutgrowError where the record is not as it was written.
    """
    try:
        return [change for entry in made_with.get(CHANGED, []) for change in _of(entry)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutgrowError(f"recipe.toml: made_with.{CHANGED} cannot be read ({error!r}); remove its tables") from error


def _of(entry: Mapping[str, Any]) -> list[Change]:
    step = int(entry["after_step"])
    return [
        *(Change(step, key, _text(pair)) for key, pair in entry.get("settings", {}).items()),
        *(Change(step, "data", str(line)) for line in entry.get("data", [])),
        *(Change(step, f"version of {package}", _text(pair)) for package, pair in entry.get("versions", {}).items()),
    ]


def _text(pair: Mapping[str, Any]) -> str:
    return arrow(pair.get("old"), pair.get("new"))


def by_step(changes: list[Change]) -> dict[int, list[Change]]:
    """Return step -> what was changed after it."""
    steps: dict[int, list[Change]] = {}
    for change in changes:
        steps.setdefault(change.after_step, []).append(change)
    return steps


def when(step: int) -> str:
    """Return when a change was made, as text.

    >>> when(0), when(1200)
    ('before step 1', 'after step 1,200')
    """
    return f"after step {step:,}" if step else "before step 1"
