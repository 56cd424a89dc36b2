"""Modules of a model that compute in a way of our own for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


@contextmanager
def own_forward(modules: Iterable[Module], forward: Callable[[Any, Tensor], Tensor]) -> Iterator[None]:
    """Let these modules compute `forward(module, x)` until the block ends, however it ends."""
    found = list(modules)
    for module in found:
        module.forward = partial(forward, module)
    try:
        yield
    finally:
        for module in found:
            del module.forward  # removes the instance's attribute, so that the class's method is used again
