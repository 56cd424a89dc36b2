"""Recipes: TOML files a person runs. A recipe may extend a shipped one and change what differs."""

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from ..core.errors import UsageError, nearest
from ..core.registry import explain
from .renamed import renamed_in, renamed_recipe
from .schema import Recipe, recipe_class


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of every recipe that comes with the package."""
    folder = Path(str(files("outgrow"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe called `name` (a shipped one, or a TOML file), with "key.path=value" overrides applied.

    Raises UsageError with one line that says what to change.
    """
    return parse_recipe(raw_recipe(name), overrides, name)


def parse_recipe(values: dict[str, Any], overrides: Sequence[str] = (), name: str = "recipe") -> Recipe:
    """A recipe from TOML values. Raises UsageError with one line that says what to change."""
    for override in overrides:
        apply_override(values, override)
    if values.get("kind") == "flywheel":
        raise UsageError(f"{name} is a recipe of kind 'flywheel'; run it with: outgrow flywheel {name}")
    cls = recipe_class(values)
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise UsageError(f"{name}: {renamed_in(values, error) or explain(error, cls)}") from error


def dump_recipe(recipe: Recipe, extra: dict[str, Any]) -> str:
    """The resolved recipe as TOML, every default spelled out, with extra tables behind it."""
    return tomli_w.dumps({**recipe.model_dump(mode="json", exclude_none=True), **extra})


def raw_recipe(name: str) -> dict[str, Any]:
    """What a recipe's file says, on top of what it extends, not yet checked. Raises UsageError where it cannot be read."""
    values: dict[str, Any] = {}
    for _, layer in reversed(recipe_layers(name)):
        values = merge_recipes(values, layer)
    return values


def recipe_layers(name: str, extending: tuple[str, ...] = ()) -> list[tuple[str, dict[str, Any]]]:
    """A recipe's name and what its file says, then the same of the recipe that it extends, and so on.

    Raises UsageError where a file cannot be read.
    """
    path = Path(name) if name.endswith(".toml") else shipped_recipes().get(name)
    if path is None and (renamed := renamed_recipe(name)):
        raise UsageError(f"no recipe called {name!r}; it is now {renamed!r}")
    if path is None and Path(name).is_file():
        table = f'[[problems]] type = "table", path = "{name}"'
        raise UsageError(f"{name} is not a recipe; write a .toml file that names the table ({table}) and give that file")
    if path is None:
        raise UsageError(f"no recipe called {name!r}{nearest(name, list(shipped_recipes()))}; or give a .toml file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot read this recipe: {error.strerror if isinstance(error, OSError) else error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    base = values.pop("extends", None)
    if base is None:
        return [(name, values)]
    if str(base) in (name, *extending):
        raise UsageError(f"{path}: extends goes in a circle: {' -> '.join((*extending, name, str(base)))}")
    return [(name, values), *recipe_layers(str(base), (*extending, name))]


def merge_recipes(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key, except tables that name a component, which like anything else replace the base's."""
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict) and "type" not in value
        merged[key] = merge_recipes(base[key], value) if both else value
    return merged


def apply_override(values: dict[str, Any], override: str) -> None:
    """Put "key.path=value" into TOML values. Raises UsageError where it is written otherwise."""
    path, equals, text = override.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"--set {override}: write it as key.path=value, for example --set learn.lr=1e-5")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *tables, key = path.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {override}: {table!r} is not a table with keys; give the whole list instead")
    values[key] = value
