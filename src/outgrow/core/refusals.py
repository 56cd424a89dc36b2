"""What is wrong in a table of settings, in words: which key, what it takes, what was given, and a value that it would take."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from .errors import nearest
from .toml_lines import Path, TomlLines
from .type_words import is_list, limits, models_in, plain_type, toml, type_words

_LONGEST = 60  # characters of a given value in a message


class ComponentError(ValueError):
    """What is wrong in the table of a component; see `registry.build`."""

    def __init__(self, whose: str, error: ValidationError, model: type[BaseModel]) -> None:
        """whose: the component, such as "reward 'hero'". model: its class."""
        super().__init__(f"{whose}: {explain(error, model)}")
        self.whose, self.error, self.model = whose, error, model


class UnknownTypeError(ValueError):
    """The `type` of a table is the name of no component."""


@dataclass(frozen=True)
class Refusal:
    """One thing that validation refused."""

    path: Path
    """The key, from the top level of what was validated."""
    kind: str
    """pydantic's name of the error."""
    given: Any
    """The value, or what holds the key where the key is missing."""
    said: str
    """What a validator of ours said; empty where pydantic refused a type or a limit."""
    model: type[BaseModel] | None
    """The class that has the key; None where it is not known."""
    whose: str = ""
    """The component that has the key, such as "reward 'hero'"; empty where a section has it."""
    below: int = 0
    """Number of keys of the path that are above that component."""

    @property
    def key(self) -> str:
        """The key in dots; of a component, from the component down."""
        return ".".join(map(str, self.path[self.below :]))

    @property
    def field(self) -> FieldInfo | None:
        """The setting that the key names; None for an unknown key, and for a table as a whole."""
        return self.model.model_fields.get(self.name) if self.model is not None else None

    @property
    def name(self) -> str:
        """The last part of the key that is not a place in a list; empty where the component as a whole is meant."""
        return next((part for part in reversed(self.path[self.below :]) if isinstance(part, str)), "")

    @property
    def field_path(self) -> Path:
        """The path without places in a list at its end."""
        path = self.path
        while len(path) > self.below and isinstance(path[-1], int):
            path = path[:-1]
        return path


def refusals(error: ValidationError, model: type[BaseModel]) -> list[Refusal]:
    """Return all that is wrong, an unknown key before the missing key that it may have been meant for."""
    return sorted(_refusals(error, model, (), ""), key=lambda refusal: refusal.kind != "extra_forbidden")


def _refusals(error: ValidationError, model: type[BaseModel], above: Path, whose: str) -> Iterator[Refusal]:
    for row in error.errors():
        path = (*above, *row["loc"])
        cause = row.get("ctx", {}).get("error")
        if isinstance(cause, ComponentError):
            yield from _refusals(cause.error, cause.model, path, cause.whose)
            continue
        if isinstance(cause, UnknownTypeError):  # of the table only this key is wrong, wherever the others are written
            path = (*path, "type")
        said = str(cause) if row["type"] == "value_error" else ""
        kind = row["type"]
        if kind == "missing" and isinstance(path[-1], int):  # a list that is too short
            kind, path = "too_short", path[:-1]
        yield Refusal(path, kind, row["input"], said, _holder(model, row["loc"]), whose, len(above))


def _holder(model: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the class that has the last key of a path."""
    holder = model
    *above, _ = [part for part in path if isinstance(part, str)] or [""]
    for part in above:
        field = holder.model_fields.get(part)
        inner = models_in(field.annotation) if field is not None else []
        if not inner:
            return None
        holder = inner[0]
    return holder


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first thing wrong in one line: its key, what it takes, and a value to write in its place."""
    refusal = refusals(error, model)[0]
    example = example_of(refusal)
    return sentence(refusal) + ("" if example is None else f"; for example: {toml_line(refusal.field_path[-1:], example)}")


def explain_file(file: str, text: str, error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first thing wrong in a TOML file in one line: its line, its key, what it takes, and a value to write."""
    path = refusals(error, model)[0].path
    lines = TomlLines(text)
    found = (lines.find(path[:depth]) for depth in range(len(path), 0, -1))
    line = next((setting.line for setting in found if setting is not None), None)
    return f"{file}{'' if line is None else f', line {line}'}: {explain(error, model)}"


def sentence(refusal: Refusal, more: Sequence[str] = ()) -> str:
    """Return what is wrong, without a value to write in its place. more: known keys next to those of the class."""
    if refusal.whose and refusal.kind == "extra_forbidden":
        return f"the {refusal.whose} has no key {refusal.key!r}{_nearest(refusal, more)}"
    whose = f"{refusal.whose}: " if refusal.whose else ""
    return f"{whose}{_sentence(refusal, more)}"


def _nearest(refusal: Refusal, more: Sequence[str]) -> str:
    """Return a hint with the known keys of the class, or the closest of them; empty where the class is not known."""
    known = [*refusal.model.model_fields, *more] if refusal.model is not None else []
    return nearest(str(refusal.path[-1]), known) if known else ""


def _sentence(refusal: Refusal, more: Sequence[str]) -> str:
    key, field, given = refusal.key, refusal.field, refusal.given
    if refusal.kind == "extra_forbidden":
        return f"unknown key {key!r}{_nearest(refusal, more)}"
    if refusal.kind == "missing":
        return f"{key} is missing{_meaning(field)}"
    if refusal.said:
        return f"{key}: {refusal.said}" if key else refusal.said
    wanted = wanted_words(field) if field is not None else "a table"
    own = ".".join(map(str, refusal.field_path[refusal.below :])) or "this"
    if _is_one_table(refusal):
        return f"{own} takes {wanted}, not a table; write [[{own}]] in place of [{own}]"
    if refusal.path != refusal.field_path and isinstance(place := refusal.path[-1], int):
        return f"{own} takes {wanted}; item {place + 1} of the list is {_shown(given)}{_near(field, given)}"
    return f"{own} takes {wanted}, not {_shown(given)}{_near(field, given)}"


def _is_one_table(refusal: Refusal) -> bool:
    """Whether a list of tables was given as a table."""
    field = refusal.field
    is_list_of_tables = field is not None and is_list(field.annotation) and bool(models_in(field.annotation))
    return is_list_of_tables and isinstance(refusal.given, Mapping) and refusal.path == refusal.field_path


def wanted_words(field: FieldInfo) -> str:
    """Return what a setting takes, with its limits: "a whole number ≥ 1"."""
    bounds = [limit.replace("\u00a0", " ") for limit in limits(field)]
    of_number = " and ".join(limit for limit in bounds if limit[0] in "≥>≤<")
    of_list = [limit for limit in bounds if limit[0] not in "≥>≤<" and limit != "at least 1"]
    words = ", ".join([f"{type_words(field.annotation)} {of_number}".strip(), *of_list])
    plain = words.startswith(('"', "true", "text", "anything"))
    return words if plain else f"a {words}"


def _meaning(field: FieldInfo | None) -> str:
    """Return what a missing key is for, where that is short."""
    words = (field.description or "").rstrip(".") if field is not None else ""
    return f" ({words[0].lower()}{words[1:]})" if 0 < len(words) <= _LONGEST else ""


def _near(field: FieldInfo | None, given: Any) -> str:
    choices = [value for value in _choices(field.annotation) if isinstance(value, str)] if field is not None else []
    hint = nearest(given, choices) if len(choices) > 1 and isinstance(given, str) else ""
    return hint if "did you mean" in hint else ""  # what it takes is in the sentence already


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Return the values that a type lists, also as items of a list; nothing where it lists none."""
    annotation = plain_type(annotation)
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(choice for part in get_args(annotation) for choice in _choices(part))


def _shown(value: Any) -> str:
    """Return a given value in one short line; what a table holds is not repeated."""
    if isinstance(value, Mapping):
        return "a table"
    text = toml(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def example_of(refusal: Refusal) -> Any | None:
    """Return a value that the key takes: what was given in another form, else the default, else one within the limits. None where
    there is nothing to show: for an unknown key, and where it is several keys that do not go together.
    """
    field = refusal.field
    if field is None or refusal.kind == "extra_forbidden" or _is_one_table(refusal):
        return None
    if refusal.said and isinstance(refusal.given, Mapping):  # keys that do not go together: another value of one may not help
        return next(iter(field.examples or ()), None)
    in_list = refusal.path != refusal.field_path
    given = None if refusal.kind == "missing" else [refusal.given] if in_list else refusal.given
    assert refusal.model is not None
    return fitting_value(refusal.model, refusal.name, given)


def fitting_value(model: type[BaseModel], name: str, given: Any) -> Any | None:
    """Return a value that a setting takes, near to what was given if possible; None where none is known."""
    field = model.model_fields[name]
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    values = [*_reshaped(field, given), *(field.examples or ()), default, *_tables(field), *_plain_values(field)]
    return next((value for value in values if value is not None and value != given and takes(model, name, value)), None)


def takes(model: type[BaseModel], name: str, value: Any) -> bool:
    """Return whether a setting takes a value, whatever its other settings are."""
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return all(row["loc"][:1] != (name,) for row in error.errors())
    except Exception:  # a component from outside the package is validated by its own code
        return False
    return True


def _reshaped(field: FieldInfo, given: Any) -> Iterator[Any]:
    """Yield what was given in the form that the setting may take."""
    if given is None or isinstance(given, (BaseModel, Mapping)):
        return
    several, words = is_list(field.annotation), given if isinstance(given, list) else [given]
    if several and isinstance(given, str):
        words = [part.strip() for part in given.split(",")]
    if models_in(field.annotation):
        tables = [{"type": word} for word in words if isinstance(word, str)]
        yield from [tables] if several else tables
    elif choices := [choice for choice in _choices(field.annotation) if isinstance(choice, str)]:
        close = [near for word in words for near in difflib.get_close_matches(str(word), choices, n=1, cutoff=0.5)]
        yield from [close] if several and close else close
    elif several:
        yield words
        yield [str(word) for word in words]
    elif len(words) == 1:
        yield from (words[0], str(words[0]))


def _tables(field: FieldInfo) -> Iterator[dict[str, Any]]:
    """Yield a table with what its class requires, or else with its first key."""
    for model in models_in(field.annotation):
        required = {name: inner for name, inner in model.model_fields.items() if inner.is_required()}
        refused = {name: Refusal((name,), "missing", None, "", model) for name in required}
        yield {name: example_of(refusal) for name, refusal in refused.items()}


def _plain_values(field: FieldInfo) -> Iterator[Any]:
    """Yield plain values, of which the setting's type and limits may take one."""
    yield from _choices(field.annotation)
    yield from (1, 0.5, True, "…", ["…"], [1], {})
    for mark in field.metadata:
        yield from (value for name in ("ge", "le") if (value := getattr(mark, name, None)) is not None)


def toml_line(key: Path, value: Any) -> str:
    """Return what to write in a TOML file to set a key. Of a table it is the header and one key.

    >>> toml_line(("learn", "steps"), 200), toml_line(("learn",), {"steps": 200})
    ('learn.steps = 200', '[learn] and below it: steps = 200')
    """
    name = ".".join(map(str, key))
    held = value.model_dump(exclude_none=True) if isinstance(value, BaseModel) and not hasattr(value, "type") else value
    if isinstance(held, Mapping) and held and "type" not in held:
        inner, first = next(iter(held.items()))
        return f"[{name}] and below it: {inner} = {toml(first)}"
    return f"{name} = {toml(held)}"
