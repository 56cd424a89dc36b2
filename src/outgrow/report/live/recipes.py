"""The recipes of several runs side by side: only the keys that differ."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.addresses import shown_values

_MAX_CHARACTERS = 160  # of a value on the page


@dataclass(frozen=True)
class KeyDifference:
    """A key whose value is not the same in all recipes."""

    key: str
    values: tuple[str | None, ...]
    """A value for each recipe, as JSON; None where a recipe does not have the key."""


def recipe_differences(recipes: Sequence[Mapping[str, Any]]) -> dict[str, list[KeyDifference]]:
    """Return table -> its keys that differ, in the recipes' order. The table of keys outside of all tables is named "".

    A list of tables is compared table by table: `problems[0]` is the first.

    >>> recipe_differences([{"learn": {"lr": 1e-4}, "seed": 0}, {"learn": {"lr": 1e-5}, "seed": 0}])
    {'learn': [KeyDifference(key='lr', values=('0.0001', '1e-05'))]}
    """
    sides = [_flat(recipe) for recipe in recipes]
    found: dict[str, list[KeyDifference]] = {}
    for table, key in dict.fromkeys(place for side in sides for place in side):
        values = tuple(side.get((table, key)) for side in sides)
        if len(set(values)) > 1:
            found.setdefault(table, []).append(KeyDifference(key, tuple(_shortened(value) for value in values)))
    return found


def _flat(values: Mapping[str, Any], table: str = "") -> dict[tuple[str, str], str]:
    """Return (table, key) -> value, with nested tables by their dotted names."""
    flat: dict[tuple[str, str], str] = {}
    for key, value in values.items():
        name = f"{table}.{key}" if table else key
        if isinstance(value, Mapping):
            flat |= _flat(value, name)
        elif isinstance(value, list | tuple) and value and all(isinstance(item, Mapping) for item in value):
            for place, item in enumerate(value):
                flat |= _flat(item, f"{name}[{place}]")
        elif value is not None:
            flat[table, key] = json.dumps(shown_values(value), ensure_ascii=False, default=str)
    return flat


def _shortened(value: str | None) -> str | None:
    return value if value is None or len(value) <= _MAX_CHARACTERS else f"{value[:_MAX_CHARACTERS]}…"
