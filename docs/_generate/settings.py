"""Settings of pydantic models in plain words: type, limits, default, meaning."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from outgrow.core.registry import Component

from . import markdown as md

Link = Callable[[type[BaseModel]], str]  # what a model is called where it is a setting's type

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
_LONGEST = 40  # characters of a default that stands in the table


def plain_type(annotation: Any) -> Any:
    """An annotation without what Annotated adds."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a value of this type can be or hold."""
    annotation = plain_type(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def is_list(annotation: Any) -> bool:
    """Whether a value of this type is a list."""
    annotation = plain_type(annotation)
    return get_origin(annotation) in (tuple, list) or any(map(is_list, get_args(annotation)))


def type_words(annotation: Any, link: Link) -> str:
    """A type in plain words, as Markdown."""
    annotation = plain_type(annotation)
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(md.code(toml(value)) for value in parts)
    if origin in (Union, UnionType):
        return " or ".join(type_words(part, link) for part in parts if part is not NoneType)
    if origin in (tuple, list):
        words = type_words(parts[0], link)
        many = _PLURALS.get(words, words if parts[0] not in _WORDS else words + "s")
        return f"list of {many}" if origin is list or Ellipsis in parts else f"list of {len(parts)} {many}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return link(annotation)
    return _WORDS.get(origin or annotation, getattr(annotation, "__name__", str(annotation)))


def toml(value: Any) -> str:
    """A value as a recipe writes it, in one line."""
    if isinstance(value, BaseModel):
        said = {"type": value.type} if isinstance(value, Component) else {}
        return toml(said | value.model_dump(exclude_defaults=True))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {toml(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, Path):
        return toml(value.as_posix())
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else repr(value)


def _limits(field: FieldInfo) -> list[str]:
    found = ((_LIMITS[name], getattr(one, name, None)) for one in field.metadata for name in _LIMITS)
    return [words.format(limit) for words, limit in found if limit is not None]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "not set"
    if isinstance(value, BaseModel) and not isinstance(value, Component):
        return "its defaults"
    return md.code(toml(value)) if len(toml(value)) <= _LONGEST else "see below"


def settings_table(model: type[BaseModel], link: Link, without: Sequence[str] = (), keys: Mapping[str, str] | None = None) -> str:
    """A line a setting, and the defaults that are too long for one. keys: setting -> Markdown in place of its name."""
    rows, long = [], []
    for name, field in model.model_fields.items():
        if name in without:
            continue
        kind = ", ".join([type_words(field.annotation, link), *_limits(field)])
        default = _default(field)
        rows.append([(keys or {}).get(name, md.code(name)), kind, default, md.inline(field.description or "")])
        if default == "see below":
            value = field.get_default(call_default_factory=True)
            shown = md.fenced(value) if isinstance(value, str) and "\n" in value else md.fenced(toml(value), "toml")
            long.append(f"Default of {md.code(name)}:\n\n{shown}")
    return "\n\n".join([part for part in (md.table(["key", "type", "default", "meaning"], rows), *long) if part])
