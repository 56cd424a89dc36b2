"""Recipe fields that name an input: a model, a run, files, or a suite.

A flywheel repeats a stage when one of its inputs has changed, so it must know which fields of a recipe name an input. A field says
so in its type: `folder: Annotated[Path, ReadsFrom("files")]`. Of a list or tuple, each item names one.
"""

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

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


def _marks(annotation: Any) -> Iterator[Any]:
    """Yield what is annotated inside a type, as in `Annotated[Path, ...] | None`."""
    yield from getattr(annotation, "__metadata__", ())
    for part in typing.get_args(annotation):
        yield from _marks(part)
