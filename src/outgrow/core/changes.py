"""Settings that differ between two records, and how that is said."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .addresses import shown_values


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """Return key -> "old → new" of each setting that differs.

    >>> differences({"evaluate.temperature": 1.0, "seed": 0}, {"evaluate.temperature": 0.5, "seed": 0})
    {'evaluate.temperature': '1.0 → 0.5'}
    """
    return {key: arrow(*pair) for key, pair in changed_values(old, new).items()}


def changed_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return key -> old and new value of each setting that differs; None where one of the two lacks it.

    >>> changed_values({"seed": 0, "learn.lr": 1.0}, {"seed": 0, "run.threads": 2})
    {'learn.lr': (1.0, None), 'run.threads': (None, 2)}
    """
    keys = dict.fromkeys((*old, *new))
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def arrow(old: Any, new: Any) -> str:
    """Return a change of a value as text; long values are cut, and addresses of servers shown by their host.

    >>> arrow(1.0, None), arrow([1, 2], "x")
    ('1.0 → none', '[1, 2] → "x"')
    """
    return f"{_text(old)} → {_text(new)}"


def sentence(changes: Mapping[str, str], keys: Iterable[str] | None = None) -> str:
    """Return these changes as text. keys: which of them. Default: all.

    >>> sentence({"evaluate.temperature": "1.0 → 0.5", "seed": "0 → 1"})
    'evaluate.temperature 1.0 → 0.5, seed 0 → 1'
    """
    return ", ".join(f"{key} {changes[key]}" for key in (changes if keys is None else keys))


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return the values of nested tables by their dotted keys; lists stay whole.

    >>> flat({"seed": 0, "evaluate": {"samples": 8}})
    {'seed': 0, 'evaluate.samples': 8}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _text(value: Any) -> str:
    text = "none" if value is None else json.dumps(shown_values(value), ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
