"""Which key is meant where a recipe has a key that does not exist: an old name, another library's, or a key of another table."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ..core.refusals import Refusal, fitting_value, takes
from ..core.toml_lines import Path
from ..core.type_words import is_list, models_in
from .brought import BROUGHT, Brought
from .renamed import renamed_in
from .written import Place

_MOST = 8  # names in one message


@dataclass(frozen=True)
class Hint:
    """One key or type that does not exist."""

    path: Path
    """Where it is."""
    what: str
    """What it is: key, reward, problem source."""
    name: str
    """What it is called there, in dots."""
    meaning: str
    """What is meant: "it is now 'judge'"."""
    target: Path | None = None
    """The key to write; None where there is none, or more to say than a line."""
    value: Any = None
    """The value that the key takes; None where the value that was given does not fit it."""


@dataclass(frozen=True)
class Stage:
    """A table of a flywheel's recipe that holds the keys of another recipe."""

    name: str
    recipe: type[BaseModel]


def hints(values: Mapping[str, Any], refused: Sequence[Refusal], model: type[BaseModel], stage: Stage | None = None) -> list[Hint]:
    """Return what is known of the keys that do not exist in a recipe, the old names first.

    values: the whole recipe's TOML values. model: its class. stage: where the keys are that the class itself does not have.
    """
    old = [Hint(path, what, name, f"it is now {new!r}") for path, what, name, new in renamed_in(values, refused)]
    places = [hint.path for hint in old]
    unknown = [refusal for refusal in refused if refusal.kind == "extra_forbidden" and ":" not in refusal.whose]
    found = [hint for refusal in unknown for hint in _of(refusal, _Keys(stage.recipe if stage else model), stage)]
    return [*old, *(hint for hint in found if not any(hint.path[: len(place)] == place for place in places))]


def tell(found: Sequence[Hint], place: Place | None) -> str:
    """Return one line for all hints. place: where the first one is written, if that is known."""
    first, *others = found
    line = f"unknown {first.what} {first.name!r}; {first.meaning}"
    if first.target is not None and first.value is not None and place is not None:
        line += f"; write {place.write(first.target, first.value)}"
    if not others:
        return line
    also = ", ".join(f"{hint.name!r}: {hint.meaning}" for hint in others[:_MOST])
    more = f", and {len(others) - _MOST} more" if len(others) > _MOST else ""
    return f"{line} (also {also}{more})"


class _Keys:
    """The keys of a class of recipes, by their paths. What stands in a list of tables is not among them."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.is_sft = "rewards" not in model.model_fields
        self.fields: dict[Path, type[BaseModel]] = {}
        self._optional: set[Path] = set()
        self._add(model, (), False)

    def called(self, name: str, also_optional: bool) -> list[Path]:
        """Return the keys of this name. also_optional: whether those of tables that a recipe need not have count where no other
        table has the name. Every component has a `type`, so that name says nothing.
        """
        if name == "type":
            return []
        paths = [path for path in self.fields if path[-1] == name]
        common = [path for path in paths if path not in self._optional]
        return common or (paths if also_optional else [])

    def _add(self, model: type[BaseModel], above: Path, optional: bool) -> None:
        for name, field in model.model_fields.items():
            path = (*above, name)
            self.fields.setdefault(path, model)
            if optional:
                self._optional.add(path)
            if is_list(field.annotation):
                continue
            for inner in models_in(field.annotation):
                for cls in (inner, *_subclasses(inner)):
                    self._add(cls, path, optional or (field.default is None) or cls is not inner)


def _subclasses(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the package's own classes of a component, however deep."""
    own = [cls for cls in model.__subclasses__() if cls.__module__.startswith("outgrow.")]
    return [deeper for cls in own for deeper in (cls, *_subclasses(cls))]


def _of(refusal: Refusal, keys: _Keys, stage: Stage | None) -> Iterator[Hint]:
    """Yield what is meant by an unknown key; of an unknown table, also by each key in it."""
    own = refusal.model.model_fields if refusal.model is not None else {}
    unlike = not difflib.get_close_matches(str(refusal.path[-1]), list(own), n=1, cutoff=0.5)
    if isinstance(refusal.given, Mapping):
        if paths := _elsewhere(keys.called(str(refusal.path[-1]), unlike), refusal.path, stage):
            yield _hint(refusal.path, None, _misplaced(paths), keys, stage)
        leaves = list(_leaves(refusal.path, refusal.given))
    else:
        leaves = [(refusal.path, refusal.given)]
    for path, value in leaves:
        names = [str(part) for part in path if isinstance(part, str)]
        suffixes = (".".join(names[first:]) for first in range(len(names)))
        brought = next((BROUGHT[suffix] for suffix in suffixes if suffix in BROUGHT), None)
        if brought is not None:
            yield _hint(path, value, brought, keys, stage)
        elif paths := _elsewhere(keys.called(names[-1], unlike), path, stage):
            yield _hint(path, value, _misplaced(paths), keys, stage)


def _elsewhere(paths: Sequence[Path], path: Path, stage: Stage | None) -> list[Path]:
    """Return the paths that are not this one: a component of another type may have the key that this one does not have."""
    above = (stage.name,) if stage else ()
    return [other for other in paths if (*above, *other) != path]


def _misplaced(paths: Sequence[Path]) -> Brought:
    return Brought(tuple(map(_dotted, paths)), either=len(paths) > 1)


def _leaves(path: Path, table: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves((*path, name), value)
        else:
            yield (*path, name), value


def _hint(path: Path, given: Any, brought: Brought, keys: _Keys, stage: Stage | None) -> Hint:
    wanted = brought.sft if keys.is_sft and brought.sft is not None else brought.keys
    known = [key for key in wanted if tuple(key.split(".")) in keys.fields]
    note = f" ({brought.note})" if brought.note else ""
    name = _dotted(path)
    if not known:
        missing = f"{wanted[0]!r} is a key of other kinds of recipes" if wanted else brought.note
        return Hint(path, "key", name, f"it is not a key here: {missing}")
    joined = (" or " if brought.either else " and ").join(repr(f"{stage.name}.{key}" if stage else key) for key in known)
    meaning = f"it is {joined} here{note}"
    if note or stage or len(known) > 1 or given is None:
        return Hint(path, "key", name, meaning)
    target = tuple(known[0].split("."))
    model = keys.fields[target]
    value = given if takes(model, target[-1], given) else fitting_value(model, target[-1], given)
    return Hint(path, "key", name, meaning, target, value)


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))
