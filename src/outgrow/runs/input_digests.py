"""Digests of what a recipe reads: models, runs, files and suites, in place of their names.

Which fields of a recipe name such an input is declared in their types (core/inputs.py).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ..core.errors import UsageError
from ..core.inputs import InputKind, input_kind
from ..problems.chains.shape import THEN
from ..problems.named_table import named_table
from ..problems.suites import SUITES
from .resolve_model import resolve_model

PathDigest = Callable[[InputKind, str], str | None]
"""Takes the kind of an input and its name; gives a digest that is known already, None elsewhere."""


def digest_of(values: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return the sha256 of plain values. The order of keys does not matter."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def content(kind: InputKind, name: str) -> str:
    """Return the digest of an input: a file, a folder's files, or the files of a model.

    A hub id, an address and a shipped suite are returned as they are. Raises UsageError where a model is missing.
    """
    if kind == "suite":
        return _suite_content(name)
    place = Path(resolve_model(name).location if kind == "model" else name)
    if place.is_file():
        return _sha256(place)
    if not place.is_dir():
        return name
    files = sorted(path for path in place.rglob("*") if path.is_file() and not _is_ignored(path.relative_to(place)))
    return digest_of({str(path.relative_to(place)): _sha256(path) for path in files})


def _suite_content(name: str) -> str:
    """Return the digest of a suite on this machine, with the columns that its name gives; the names of others as they are."""
    if THEN in name and not Path(name).exists():
        return THEN.join(_suite_content(part.strip()) for part in name.split(THEN))
    table = None if name in SUITES else named_table(name, "test")
    if table is None or table.path is None:
        return name
    unused = {"path", "split"} if table.path.is_file() else {"path"}
    settings = table.model_dump(mode="json", exclude=unused, exclude_defaults=True)
    digest = content("files", str(table.path))
    return digest_of({"content": digest, **settings}) if settings else digest


def with_digests(section: BaseModel, values: Mapping[str, Any], path_digest: PathDigest) -> dict[str, Any]:
    """Return the values of a section or component. values: some of its fields, as plain values."""
    replaced = {}
    for name, value in values.items():
        if kind := input_kind(type(section).model_fields[name]):
            replaced[name] = _digests(kind, value, path_digest)
        else:
            replaced[name] = _nested(getattr(section, name), value, path_digest, f"{type(section).__name__}.{name}")
    return replaced


def _digests(kind: InputKind, value: Any, path_digest: PathDigest) -> Any:
    if isinstance(value, list):
        return [_digests(kind, item, path_digest) for item in value]
    return path_digest(kind, value) or content(kind, value)


def _nested(field: Any, value: Any, path_digest: PathDigest, where: str) -> Any:
    """Return a field's plain value, with digests inside the sections and components that it holds."""
    if isinstance(field, BaseModel):
        return with_digests(field, value, path_digest)
    if isinstance(field, list | tuple):
        return [_nested(item, plain, path_digest, where) for item, plain in zip(field, value, strict=True)]
    if isinstance(field, Path):
        raise UsageError(
            f"{where} is a path whose content cannot be seen; declare its type as "
            "Annotated[Path, ReadsFrom('files')] (outgrow.core.inputs)"
        )
    return value


def _is_ignored(path: Path) -> bool:
    """Whether a file says nothing about a folder's content: a README, or a hidden file such as one half written."""
    return path.name == "README.md" or any(part.startswith(".") for part in path.parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
