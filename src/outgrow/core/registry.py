"""Recipe entries that name code: `type = "grpo"`, or `type = "mypackage.module:Class"` from outside the package.

A component is a pydantic model: its fields are its settings, its defaults the vetted ones, its methods the algorithm.
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import nearest
from .plugins import imported, is_imported
from .refusals import ComponentError, UnknownTypeError
from .stand_ins import stand_in


class Component(BaseModel):
    """Base of everything a recipe can name by `type`. Unknown settings are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str

    def code_file(self) -> Path | None:
        """Return the file of its code where that is not part of this package; None elsewhere."""
        return source_file(type(self))


C = TypeVar("C", bound=Component)


def build(
    value: Any,
    base: type[C],
    known: Mapping[str, type[C]],
    kind: str,
    default: str | None = None,
    class_for: Callable[[str, Callable[..., Any]], type[C]] | None = None,
) -> C:
    """Make the component that a recipe entry describes. Code from outside the package is imported where it is needed now
    (see `plugins_imported`), and has a stand-in elsewhere.

    value: the entry (a table with `type`), or a component already made. base: the class that each of this kind extends. known: type
    name -> class. default: the type of a table without one, which is then not among the component's `model_fields_set`; by default
    such a table is an error. class_for: takes the name of a function from outside the package, and the function; returns the class
    that calls it, or raises ValueError. By default a function is an error.
    Raises ValueError naming the nearest known type or setting, or what is wrong with an outside one.
    """
    if isinstance(value, base):
        return value
    name = value.get("type", default) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(name, str):
        raise ValueError(f"this {kind} needs a type, one of: {', '.join(sorted(known))}")
    found = known.get(name) if ":" not in name else _outside(name, base, kind, class_for)
    if found is None:
        raise UnknownTypeError(f"unknown {kind} {name!r}{nearest(name, list(known))}")
    try:
        return found.model_validate(dict(value))
    except ValidationError as error:
        raise ComponentError(f"{kind} {name!r}", error, found) from error


def source_file(code: Any) -> Path | None:
    """Return the file of a class or a function; None where it is part of this package, or has no file."""
    if (getattr(code, "__module__", None) or "").partition(".")[0] == __name__.partition(".")[0]:
        return None
    try:
        file = inspect.getsourcefile(code)
    except TypeError:  # built in
        return None
    return Path(file) if file else None


def _outside(name: str, base: type[C], kind: str, class_for: Callable[[str, Callable[..., Any]], type[C]] | None) -> type[C]:
    if not is_imported(kind):
        return stand_in(base, kind)
    found = imported(name, kind)
    if class_for is not None and callable(found) and not isinstance(found, type):
        return class_for(name, found)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"{name!r} is not a {kind}; let it extend {base.__module__}.{base.__qualname__}")
    if inspect.isabstract(found):
        raise ValueError(f"{kind} {name!r} lacks a method: {', '.join(sorted(found.__abstractmethods__))}")
    return found
