"""What a stage is made from, as one digest: its recipe as resolved, the content of models, runs and files in place of paths."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config import Recipe
from ..problems.suites import SUITES
from ..runs.resolve_model import resolve_model

# Lines that change nothing in what a stage makes: words, prices, and where else its figures are shown.
_WORDS = ("name", "description", "expected")
_DECIDES_IN_RUN = ("threads",)
# Keys whose values may be paths, wherever they stand in a recipe.
_MODELS = ("model", "second")
_PLACES = (*_MODELS, "path", "runs", "profile", "suite", "validation", "also")


Known = Callable[[str, str], str | None]  # (key, path) -> digest, of what the wheel itself made


def asked_by(recipe: Recipe, known: Known) -> dict[str, Any]:
    """The recipe as far as it decides what is made, with digests in place of paths."""
    values = recipe.model_dump(mode="json", exclude_none=True, exclude=set(_WORDS))
    values["run"] = {key: values["run"][key] for key in _DECIDES_IN_RUN}
    replaced: dict[str, Any] = _replaced("", values, known)
    return replaced


def digest_of(asked: Mapping[str, Any] | Sequence[Any]) -> str:
    """Of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, allow_nan=False).encode()).hexdigest()


def content(key: str, name: str) -> str:
    """The digest of what a recipe names under `key`: of a file, of a folder's files, of the files that hold a model; the name
    itself where that is all there is (a hub id, an address, a shipped suite). Raises UsageError where a model is missing."""
    if name in SUITES:
        return name
    place = Path(resolve_model(name).location if key in _MODELS else name)
    if place.is_file():
        return _sha256(place)
    if not place.is_dir():
        return name
    files = sorted(path for path in place.rglob("*") if path.is_file() and not _aside(path.relative_to(place)))
    return digest_of({str(path.relative_to(place)): _sha256(path) for path in files})


def _replaced(key: str, value: Any, known: Known) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(name, one, known) for name, one in value.items()}
    if isinstance(value, list):
        return [_replaced(key, one, known) for one in value]
    if isinstance(value, str) and key in _PLACES:
        return known(key, value) or content(key, value)
    return value


def _aside(path: Path) -> bool:
    """Files that say nothing of what is in a folder: notes, and what is half written."""
    return path.name == "README.md" or any(part.startswith(".") for part in path.parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
