"""outgrow: make small reasoning models better by reinforcement learning on checkable problems.

As a library: `outgrow.train`, `outgrow.resume`, `outgrow.evaluate`, `outgrow.verify`, `outgrow.load` and `outgrow.load_run`.

>>> import outgrow
>>> outgrow.verify("3 and 4 are 7, so the answer is 7.0.", 7).right
True
"""

import importlib
import inspect
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

# Before torch is loaded: its OpenMP threads spin while they wait for each other. On a machine that anything else uses too, a
# spinning thread takes the core from the one it waits for, and a step takes several times as long; a short spin costs nothing.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .library import (
        Estimate,
        Graded,
        Measurement,
        OutgrowError,
        Problem,
        Recipe,
        Run,
        SilentWatcher,
        UsageError,
        Verdict,
        Watcher,
        evaluate,
        load,
        load_run,
        resume,
        train,
        verify,
    )

__all__ = [
    "Estimate", "Graded", "Measurement", "OutgrowError", "Problem", "Recipe", "Run", "SilentWatcher", "UsageError", "Verdict",
    "Watcher", "evaluate", "load", "load_run", "resume", "train", "verify",
]  # fmt: skip
_ROOMS = ("evaluate", "train", "verify")  # functions with the name of a room of this package


class _Room(ModuleType):
    """A room that is called as the function of its name: outgrow.train(…), next to outgrow.train.loop."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _function(self)(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(_function(self))


class _Package(ModuleType):
    """This package. Python binds a room to its name when the room is first imported, whoever imports it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ROOMS and isinstance(value, ModuleType):
            value.__class__ = _Room
        super().__setattr__(name, value)


def _function(room: ModuleType) -> Any:
    return getattr(importlib.import_module(f"{__name__}.library"), room.__name__.rpartition(".")[2])


def __getattr__(name: str) -> Any:
    """Import what is asked for: torch and transformers take seconds, and not every use needs them."""
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.library"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
