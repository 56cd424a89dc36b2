"""Which problems are trained on, looked at, and measured: decided by what a problem is, not by when it was drawn."""

import hashlib
from typing import Literal

Split = Literal["train", "validation", "test"]


def split_of(field: str, key: str) -> Split:
    """Return the split of a canonical problem: 80% train, 10% validation, 10% test."""
    bucket = hashlib.sha256(f"{field}:{key}".encode()).digest()[0]
    return "train" if bucket < 205 else "validation" if bucket < 230 else "test"
