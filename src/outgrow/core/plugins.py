"""Code from outside the package that a recipe names: `type = "mymodule:Class"`. Reading a recipe does not import it.

A recipe may come from a stranger, and importing a module runs it. So a recipe is read with a stand-in for each such component: it
has the settings that the recipe gives, and every use of its code is an error of one line. Commands that need the code import it
inside `plugins_imported`.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .callbacks import Warn, quiet
from .errors import first_line

ANY_KIND = ("advantage", "engine", "loss", "measure", "problem source", "reward", "sampler")
"""Kinds of components that a recipe or an experiment names by `type`."""
TO_ANSWER = ("engine", "problem source")
"""What asking a model needs."""


@dataclass(frozen=True)
class _Policy:
    kinds: tuple[str, ...] = ()
    """Kinds whose code is needed; of other kinds there are stand-ins."""
    refused: bool = False
    """Whether code that is needed is refused."""
    announce: Warn = quiet
    """Takes a line before a module is imported for the first time."""


_READING = _Policy()
_policy: ContextVar[_Policy] = ContextVar("plugins", default=_READING)


@contextmanager
def plugins_imported(kinds: tuple[str, ...] = ANY_KIND, announce: Warn = quiet) -> Iterator[None]:
    """Import the components of these kinds in recipes that are read inside. announce: takes a line for each module, before it runs.

    Inside `plugins_refused` nothing is imported.
    """
    now = _policy.get()
    kinds = tuple(dict.fromkeys((*now.kinds, *kinds)))
    token = _policy.set(_Policy(kinds, now.refused, now.announce if announce is quiet else announce))
    try:
        yield
    finally:
        _policy.reset(token)


@contextmanager
def plugins_refused(kinds: tuple[str, ...] = ANY_KIND) -> Iterator[None]:
    """Refuse recipes that name code of these kinds, whatever is asked for inside."""
    token = _policy.set(_Policy(kinds, refused=True))
    try:
        yield
    finally:
        _policy.reset(token)


def is_imported(kind: str) -> bool:
    """Return whether code of this kind is needed now, so that it is imported, or refused by `imported`."""
    return kind in _policy.get().kinds


def imported(name: str, kind: str) -> Any:
    """Import what "mymodule:name" stands for. kind: what that should be. Raises ValueError where it cannot be, or must not be."""
    policy, (module, _, attribute) = _policy.get(), name.partition(":")
    if policy.refused:
        raise ValueError(f"{kind} {name!r} is code from outside of the package, and --no-plugins refuses it")
    if "" not in sys.path:  # Python starts a console script without the folder that it was called from
        sys.path.append("")
    if module not in sys.modules:
        policy.announce(f"imports the module {module}{_place(module)}, which the recipe names ({kind} {name!r})")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:  # a module is a program, and fails as it likes
        raise ValueError(f"cannot import {kind} {name!r}: {first_line(error)}") from error


def _place(module: str) -> str:
    """Return where a module is, in brackets; empty where that is not known. Nothing is imported to find out."""
    top, *inner = module.split(".")
    try:
        spec = importlib.machinery.PathFinder.find_spec(top)
    except Exception:  # a finder may fail as it likes
        return ""
    if spec is None or spec.origin is None:
        return ""
    return f" ({Path(spec.origin).parent if inner else spec.origin})"
