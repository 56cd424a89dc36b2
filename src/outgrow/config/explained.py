"""A whole recipe as TOML, each value with a comment that says which file it comes from."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from ..core.toml_text import toml_comment, toml_entry
from .by_size import unsaid
from .load import extended, recipe_texts
from .schema import RLRecipe, SFTRecipe

_DEFAULT = "default"


def explained_recipe(name: str, recipe: BaseModel) -> str:
    """Return a recipe with all its defaults as TOML. recipe: the one called `name`, as it was loaded.

    A value of the recipe's own file stands there without a comment, one of a file that it extends with that file's name, and
    every other one as a default. Raises UsageError where a file cannot be read.
    """
    own, *bases = recipe_texts(name)
    origins: dict[str, Any] = {}
    for label, layer in [*((base.name, base) for base in reversed(bases)), ("", own)]:
        origins = extended(origins, _labelled(layer.values, label))
    values = recipe.model_dump(mode="json", exclude_none=True)
    open_keys = unsaid(recipe) if isinstance(recipe, RLRecipe | SFTRecipe) else []
    return "\n".join(_table(values, origins, (), open_keys)).lstrip("\n") + "\n"


def _labelled(value: Any, label: str) -> Any:
    """Return a value's tables with the label in place of all that is no table; a list of tables is labelled table by table."""
    if isinstance(value, Mapping):
        return {key: _labelled(item, label) for key, item in value.items()}
    if _is_tables(value):
        return [_labelled(item, label) for item in value]
    return label


def _table(values: Mapping[str, Any], origins: Any, path: tuple[str, ...], open_keys: Collection[str] = ()) -> Iterator[str]:
    """Yield the lines of a table's keys, then those of the tables in it. origins: the same table with labels, or one for all.
    open_keys: those that are filled in when the run starts.
    """
    tables = {key: value for key, value in values.items() if (isinstance(value, Mapping) and value) or _is_tables(value)}
    for key, value in values.items():
        if ".".join((*path, key)) in open_keys:
            yield toml_comment(f"{key}: chosen when the run starts, by its model and its steps")
        elif key not in tables:
            yield from toml_entry(key, value, _one(_origin(origins, key)))
    for key, value in tables.items():
        below, name = _origin(origins, key), ".".join((*path, key))
        if isinstance(value, Mapping):
            yield from ("", f"[{name}]")
            yield from _table(value, below, (*path, key), open_keys)
        else:
            for index, item in enumerate(value):
                yield from ("", f"[[{name}]]")
                yield from _table(item, below[index] if isinstance(below, list) else below, (*path, key))


def _origin(origins: Any, key: str) -> Any:
    return origins.get(key, _DEFAULT) if isinstance(origins, Mapping) else origins


def _one(origins: Any) -> str:
    """Return the only label of a value that stands in one line; a default in it does not count."""
    return origins if isinstance(origins, str) else _one(next(iter(_items(origins)), _DEFAULT))


def _items(origins: Any) -> Sequence[Any]:
    return list(origins.values()) if isinstance(origins, Mapping) else origins


def _is_tables(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and bool(value)
        and all(isinstance(item, Mapping) for item in value)
    )
