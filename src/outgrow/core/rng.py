"""Randomness by key: every draw comes from a generator made for one purpose, never from a global stream.

A generator is named by (seed, purpose, step, ...). So a resumed run, a run with another batch layout, or one draw more
somewhere else in the program changes nothing in the draws made here.
"""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def seed_from(*key: object) -> int:
    """Return a 63-bit seed that depends on every part of `key` and on nothing else.

    >>> seed_from(0, "rollout", 3) == seed_from(0, "rollout", 3) != seed_from(0, "rollout", 4)
    True
    """
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def torch_rng(*key: object) -> torch.Generator:
    """Return a CPU torch generator for this key."""
    import torch

    return torch.Generator().manual_seed(seed_from(*key))


def python_rng(*key: object) -> random.Random:
    """Return a Python generator for this key."""
    return random.Random(seed_from(*key))


def numpy_rng(*key: object) -> np.random.RandomState:
    """Return a numpy generator for this key, of the kind whose stream numpy promises never to change.

    Its uniform numbers are those of `python_rng(*key)`.
    """
    generator = np.random.RandomState()
    _, (*words, place), _ = python_rng(*key).getstate()
    generator.set_state(("MT19937", np.array(words, dtype=np.uint32), place, 0, 0.0))  # and no Gaussian number left over
    return generator
