"""Recipe fields that name an input: a model, a run, files, or a suite.

A flywheel repeats a stage when one of its inputs has changed, so it must know which fields of a recipe name an input. A field says
so in its type: `folder: Annotated[Path, ReadsFrom("files")]`. Of a list or tuple, each item names one.
"""

import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

InputKind = Literal["files", "model", "runs", "suite"]
"""files: a file or a folder. model: as policy.model takes it. runs: folders of runs, read for their rollouts. suite: as
evaluate.suite takes it."""


@dataclass(frozen=True)
class ReadsFrom:
    """Says of a field's type that its values name an input of this kind."""

    kind: InputKind


def input_kind(field: FieldInfo) -> InputKind | None:
    """Return which kind of input a field names, None where it names none."""
    return next((mark.kind for mark in (*field.metadata, *_marks(field.annotation)) if isinstance(mark, ReadsFrom)), None)


S = TypeVar("S", bound=BaseModel)


def map_inputs(section: S, change: Callable[[InputKind, Any], Any]) -> S:
    """Return a recipe, a table or a component with `change` applied to each name of an input in it, however deep.

    change: takes the kind of the input and its name (text or a path), gives the name in its place.
    """
    kinds = _kinds(type(section))
    values = {name: getattr(section, name) for name in kinds}
    changed = {name: _changed(value, kinds[name], change) for name, value in values.items()}
    return section.model_copy(update={name: value for name, value in changed.items() if value != values[name]})


@cache
def _kinds(section: type[BaseModel]) -> dict[str, InputKind | None]:
    """Return the kind of input that each field names. It is asked for every run of a list."""
    return {name: input_kind(field) for name, field in section.model_fields.items()}


def _changed(value: Any, kind: InputKind | None, change: Callable[[InputKind, Any], Any]) -> Any:
    if isinstance(value, tuple):
        return tuple(_changed(item, kind, change) for item in value)
    if isinstance(value, BaseModel):
        return map_inputs(value, change)
    return value if kind is None or value is None else change(kind, value)


def _marks(annotation: Any) -> Iterator[Any]:
    """Yield what is annotated inside a type, as in `Annotated[Path, ...] | None`."""
    yield from getattr(annotation, "__metadata__", ())
    for part in typing.get_args(annotation):
        yield from _marks(part)
