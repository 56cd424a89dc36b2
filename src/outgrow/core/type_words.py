"""What a setting takes, in words, and its values as TOML writes them: for messages, and for the reference of the docs."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path", dict: "table", Any: "anything"}
_PLURALS = {"text": "texts", "true or false": "values true or false", "anything": "values"}
# With a space at which no line breaks.
_LIMITS = {
    "ge": "≥\u00a0{:g}",
    "gt": ">\u00a0{:g}",
    "le": "≤\u00a0{:g}",
    "lt": "<\u00a0{:g}",
    "min_length": "at least\u00a0{}",
    "max_length": "at most\u00a0{}",
}


def plain_type(annotation: Any) -> Any:
    """Return an annotation without what Annotated adds."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models that a value of this type can be or hold."""
    annotation = plain_type(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def is_list(annotation: Any) -> bool:
    """Return whether a value of this type is a list."""
    annotation = plain_type(annotation)
    return get_origin(annotation) in (tuple, list) or any(map(is_list, get_args(annotation)))


def type_words(
    annotation: Any, model: Callable[[type[BaseModel]], str] = lambda model: "table", code: Callable[[str], str] = str
) -> str:
    """Return a type in plain words. model: what a model is called. code: marks a value up.

    >>> type_words(tuple[str, ...] | None), type_words(Literal["rl", "sft"])
    ('list of texts', '"rl" or "sft"')
    """
    annotation = plain_type(annotation)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return listed([code(toml(value)) for value in parts])
    if origin in (Union, UnionType):
        return " or ".join(type_words(part, model, code) for part in parts if part is not NoneType)
    if origin in (tuple, list):
        words = type_words(parts[0], model, code)
        plain = plain_type(parts[0])
        plural = f"{words}s" if plain in _WORDS or (models_in(plain) and words == "table") else words
        many = _PLURALS.get(words, plural)
        return f"list of {many}" if origin is list or Ellipsis in parts else f"list of {len(parts)} {many}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return model(annotation)
    return _WORDS.get(origin or annotation, getattr(annotation, "__name__", str(annotation)))


def listed(words: Sequence[str]) -> str:
    """Return alternatives in one phrase.

    >>> listed(["a", "b", "c"])
    'a, b or c'
    """
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def limits(field: FieldInfo) -> list[str]:
    """Return the limits of a setting's value, in words: `["≥ 1"]`."""
    found = ((_LIMITS[name], getattr(mark, name, None)) for mark in field.metadata for name in _LIMITS)
    return [words.format(limit) for words, limit in found if limit is not None]


def toml(value: Any) -> str:
    """Return a value as a recipe writes it, in one line.

    >>> toml({"type": "micro", "levels": (1, 2)}), toml(1e-5)
    ('{type = "micro", levels = [1, 2]}', '1e-05')
    """
    if isinstance(value, BaseModel):
        kind = getattr(value, "type", None)
        return toml(({"type": kind} if isinstance(kind, str) else {}) | value.model_dump(exclude_defaults=True))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, Path):
        return toml(value.as_posix())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else str(value)
