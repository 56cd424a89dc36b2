"""One run of an experiment, before it is done."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w


@dataclass(frozen=True)
class Trial:
    """arm, on: which of the experiment's. key: digest of what decides what it does. recipe: resolved, of its kind."""

    on: str
    arm: str
    seed: int
    key: str
    recipe: Any


def key_of(values: Mapping[str, Any]) -> str:
    """Of plain values, by which a run's result is known again."""
    return hashlib.sha256(tomli_w.dumps(values).encode()).hexdigest()[:16]
