"""A trial: one run of an experiment, before it is done."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w


@dataclass(frozen=True)
class Trial:
    """One arm at one seed under one condition."""

    on: str
    """Name of the condition; empty where the experiment has only one."""
    arm: str
    seed: int
    key: str
    """Digest of the recipe's values that decide what is measured; a result's line is found by it."""
    recipe: Any
    """Resolved recipe, of the experiment's kind."""


def trial_key(values: Mapping[str, Any]) -> str:
    """Return the digest of a recipe's plain values: 16 hexadecimal digits."""
    return hashlib.sha256(tomli_w.dumps(values).encode()).hexdigest()[:16]
