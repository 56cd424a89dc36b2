"""The cache key of a stage: its resolved recipe, with digests of models, runs and files in place of paths."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config import Recipe
from ..problems.suites import SUITES
from ..runs.resolve_model import resolve_model

# Keys that change nothing in what a stage makes: words; and in [run] all but these, such as prices and trackers.
_WORDS = ("name", "description", "expected")
_RUN_KEYS = ("threads",)
# Keys whose values may be paths, in any table of a recipe.
_MODEL_KEYS = ("model", "second_model")
_PATH_KEYS = (*_MODEL_KEYS, "path", "runs", "profile", "suite", "validation", "extra_suites")


PathDigest = Callable[[str, str], str | None]
"""Takes a recipe's key and the path under it; gives the digest of what the flywheel itself made there, None elsewhere."""


def recipe_key(recipe: Recipe, path_digest: PathDigest) -> dict[str, Any]:
    """Return the values of a recipe that decide what it makes, with digests in place of paths."""
    values = recipe.model_dump(mode="json", exclude_none=True, exclude=set(_WORDS))
    values["run"] = {key: values["run"][key] for key in _RUN_KEYS}
    replaced: dict[str, Any] = _replaced("", values, path_digest)
    return replaced


def digest_of(values: Mapping[str, Any] | Sequence[Any]) -> str:
    """Return the sha256 of plain values. The order of keys does not matter."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, allow_nan=False).encode()).hexdigest()


def content(key: str, name: str) -> str:
    """Return the digest of what a recipe names under `key`: a file, a folder's files, or the files of a model.

    A name that is no path (a hub id, an address, a shipped suite) is returned as it is. Raises UsageError where a model is missing.
    """
    if name in SUITES:
        return name
    path = Path(resolve_model(name).location if key in _MODEL_KEYS else name)
    if path.is_file():
        return _sha256(path)
    if not path.is_dir():
        return name
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _is_ignored(file.relative_to(path)))
    return digest_of({str(file.relative_to(path)): _sha256(file) for file in files})


def _replaced(key: str, value: Any, path_digest: PathDigest) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(name, inner, path_digest) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replaced(key, item, path_digest) for item in value]
    if isinstance(value, str) and key in _PATH_KEYS:
        return path_digest(key, value) or content(key, value)
    return value


def _is_ignored(path: Path) -> bool:
    """Whether a file says nothing about a folder's content: a README, or a hidden file such as one half written."""
    return path.name == "README.md" or any(part.startswith(".") for part in path.parts)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
