"""What stands in for code from outside the package that a recipe names and that was not imported (see `plugins`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict

from .errors import UsageError


class StandIn:
    """Marks a component that stands in for code that was not imported."""


def stand_in(base: Any, kind: str) -> type[Any]:
    """Return the class of stand-ins for components of this base class. Every setting is taken as it is."""
    made: type[Any] = _stand_in(base, kind)
    return made


@cache
def _stand_in(base: Any, kind: str) -> Any:
    members: dict[str, Any] = {}
    for cls in base.__mro__[: base.__mro__.index(BaseModel)]:
        for name, member in vars(cls).items():
            if not name.startswith("_") and isinstance(member, FunctionType | property):
                members[name] = _refusing(kind, isinstance(member, property))

    def reduce(self: Any) -> Any:  # its class is made here, so that pickle does not find it by its name
        return _restored, (base, kind, self.model_dump())

    body = {"__module__": __name__, "model_config": ConfigDict(extra="allow", frozen=True), "__reduce__": reduce, **members}
    return type(base)(f"StandIn{base.__name__}", (base, StandIn), body)


def _restored(base: type[BaseModel], kind: str, values: dict[str, Any]) -> Any:
    return _stand_in(base, kind).model_validate(values)


def _refusing(kind: str, is_property: bool) -> Callable[..., Any] | property:
    def refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
        raise UsageError(
            f"this needs the code of {kind} {self.type!r}, which is not part of the package: it was not imported, since reading a "
            "recipe imports nothing"
        )

    return property(refuse) if is_property else refuse


def stands_in(component: object) -> bool:
    """Return whether a component stands in for code that was not imported."""
    return isinstance(component, StandIn)
