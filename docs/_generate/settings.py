"""Settings of pydantic models in plain words: type, limits, default, meaning."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from outgrow.core.registry import Component
from outgrow.core.type_words import limits, toml, type_words

from . import markdown as md

Link = Callable[[type[BaseModel]], str]  # what a model is called where it is a setting's type

_LONGEST = 40  # characters of a default that stands in the table


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if isinstance(field.json_schema_extra, dict) and "default_is" in field.json_schema_extra:
        return str(field.json_schema_extra["default_is"])
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "not set"
    if isinstance(value, BaseModel) and not isinstance(value, Component):
        return "its defaults"
    return md.code(toml(value)) if len(toml(value)) <= _LONGEST else "see below"


def settings_table(
    model: type[BaseModel],
    link: Link,
    without: Sequence[str] = (),
    keys: Mapping[str, str] | None = None,
    first: Sequence[Sequence[str]] = (),
) -> str:
    """A line a setting, and the defaults that are too long for one. keys: setting -> Markdown in place of its name. first: rows
    above them, of keys that the model does not have.
    """
    rows, long = [list(row) for row in first], []
    for name, field in model.model_fields.items():
        if name in without:
            continue
        kind = ", ".join([type_words(field.annotation, link, md.code), *limits(field)])
        default = _default(field)
        rows.append([(keys or {}).get(name, md.code(name)), kind, default, md.inline(field.description or "")])
        if default == "see below":
            value = field.get_default(call_default_factory=True)
            shown = md.fenced(value) if isinstance(value, str) and "\n" in value else md.fenced(toml(value), "toml")
            long.append(f"Default of {md.code(name)}:\n\n{shown}")
    return "\n\n".join([part for part in (md.table(["key", "type", "default", "meaning"], rows), *long) if part])
