"""Recipes: TOML files a person runs. A recipe may extend a shipped one and change what differs."""

import copy
import tomllib
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from ..core.errors import UsageError, nearest, reason
from ..core.shell import command_line
from ..core.toml_file import parse_toml, read_toml
from .recipe_error import RecipeError
from .renamed import renamed_recipe
from .schema import Recipe, recipe_class
from .written import FileLayer, Layer, OptionLayer

EXTENDS = (
    "A shipped recipe's name or a .toml file (relative to the folder that the command is called in) that this recipe starts from. "
    "The keys here change it: tables key by key; lists, and tables with a `type`, as a whole. Only a file can say it."
)
"""What the key `extends` means, for the reference."""

_SUITES = ("suite", "validation", "extra_suites")  # keys of [evaluate]


def shipped_recipes() -> dict[str, Path]:
    """Name -> file of every recipe that comes with the package."""
    folder = Path(str(files("outgrow"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe called `name` (a shipped one, or a TOML file), with "key.path=value" overrides applied.

    Raises UsageError with one line that says what to change, and on which line of which file.
    """
    texts = recipe_texts(name)
    try:
        return parse_recipe(merged_texts(texts), overrides, name)
    except RecipeError as error:
        layers: list[Layer] = [*option_layers(overrides), *texts]
        raise error.caused_by_kind(layers) or error.located(layers) from error


def parse_recipe(values: dict[str, Any], overrides: Sequence[str] = (), name: str = "recipe") -> Recipe:
    """A recipe from TOML values. Raises UsageError with one line that says what to change."""
    keys = {override.partition("=")[0].strip() for override in overrides}
    if "problems" in keys:
        _forget_suites(values, {key.removeprefix("evaluate.") for key in keys})
    for override in overrides:
        apply_override(values, override)
    if values.get("kind") == "flywheel":
        raise UsageError(f"{name} is a recipe of kind 'flywheel'; run it with: {command_line('flywheel', name)}")
    cls = recipe_class(values)
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        raise RecipeError(name, values, error, cls) from error


def dump_recipe(recipe: Recipe, extra: dict[str, Any]) -> str:
    """The resolved recipe as TOML, every default spelled out, with extra tables behind it."""
    return tomli_w.dumps({**recipe.model_dump(mode="json", exclude_none=True), **extra})


def raw_recipe(name: str) -> dict[str, Any]:
    """What a recipe's file says, on top of what it extends, not yet checked. Raises UsageError where it cannot be read."""
    return merged_texts(recipe_texts(name))


def recipe_texts(name: str, extending: tuple[str, ...] = ()) -> list[FileLayer]:
    """A recipe's file, then the file that it extends, and so on. Raises UsageError where one cannot be read."""
    path = Path(name) if name.endswith(".toml") else shipped_recipes().get(name)
    if path is None and (renamed := renamed_recipe(name)):
        raise UsageError(f"no recipe called {name!r}; it is now {renamed!r}")
    if path is None and Path(name).is_file():
        table = f'[[problems]] type = "table", path = "{name}"'
        raise UsageError(f"{name} is not a recipe; write a .toml file that names the table ({table}) and give that file")
    if path is None:
        raise UsageError(f"no recipe called {name!r}{nearest(name, list(shipped_recipes()))}; or give a .toml file")
    try:
        text, values = read_toml(path)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    except (OSError, ValueError) as error:  # ValueError: bytes that are not UTF-8, or a name that no file can have
        raise UsageError(f"{path}: cannot read this recipe: {reason(error)}") from error
    values.pop("made_with", None)  # the record of a run, beside the settings in its recipe.toml
    base = values.pop("extends", None)
    layer = FileLayer(name, text, values)
    if base is None:
        return [layer]
    where = layer.extends_at()
    if not isinstance(base, str):
        raise UsageError(f'{where}: extends takes the name of one recipe; for example: extends = "micro"')
    if base in (name, *extending):
        raise UsageError(f"{where}: extends goes in a circle: {' -> '.join((*extending, name, base))}")
    try:
        return [layer, *recipe_texts(base, (*extending, name))]
    except UsageError as error:
        raise UsageError(str(error) if extending else f"{where}: extends = {base!r}: {error}") from error


def merged_texts(texts: Sequence[FileLayer]) -> dict[str, Any]:
    """The values of a recipe and of what it extends, the one that counts first."""
    values: dict[str, Any] = {}
    for layer in reversed(texts):
        values = extended(values, layer.values)
    return copy.deepcopy(values)  # options change it, and what the files say stays


def extended(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's values on top of those of what it extends. Suites are of the problems: with other problems they are dropped."""
    values, measures = dict(base), change.get("evaluate")
    if "problems" in change:
        _forget_suites(values, measures if isinstance(measures, dict) else ())
    return merge_recipes(values, change)


def _forget_suites(values: dict[str, Any], named: Collection[str]) -> None:
    """Drop the suites of a recipe whose problems are replaced, except those named again: they are of the problems it had."""
    measures = values.get("evaluate")
    if isinstance(measures, dict):
        values["evaluate"] = {key: value for key, value in measures.items() if key not in _SUITES or key in named}


def merge_recipes(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key, except tables that name a component, which like anything else replace the base's."""
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict) and "type" not in value
        merged[key] = merge_recipes(base[key], value) if both else value
    return merged


def apply_override(values: dict[str, Any], override: str) -> None:
    """Put "key.path=value" into TOML values. Raises UsageError where it is written otherwise."""
    (*tables, key), value = read_override(override)
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise UsageError(f"--set {override}: {table!r} is not a table with keys; give the whole list instead")
    values[key] = value


def read_override(override: str) -> tuple[tuple[str, ...], Any]:
    """The keys and the value of "key.path=value". Raises UsageError where it is written otherwise."""
    path, equals, text = override.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"--set {override}: write it as key.path=value, for example --set learn.lr=1e-5")
    try:
        values = parse_toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        values = {"value": text}  # a bare word is a string
    if len(values) > 1:
        raise UsageError(f"--set {override.splitlines()[0]}: several keys are set here; give each its own --set")
    return tuple(path.strip().split(".")), values["value"]


def option_layers(overrides: Sequence[str]) -> list[OptionLayer]:
    """Options --set as layers, the last one first."""
    return [OptionLayer(override, *read_override(override)) for override in reversed(overrides)]
