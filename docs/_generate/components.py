"""Pages of what a recipe names by `type`: every entry of a registry, its formula, its paper, its settings."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterable
from types import ModuleType

from pydantic import BaseModel

import outgrow
from outgrow.core.registry import Component
from outgrow.core.type_words import toml

from . import markdown as md
from .settings import Link, settings_table

Registry = dict[str, type[Component]]


def registries(package: ModuleType) -> dict[str, Registry]:
    """The registries that a package's __init__ holds, by their names."""
    found = {name: value for name, value in vars(package).items() if name.isupper() and isinstance(value, dict) and value}
    return {name: value for name, value in found.items() if all(map(_is_component, value.values()))}


def _is_component(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Component)


def all_registries() -> dict[str, str]:
    """Every registry of the package -> the module whose __init__ holds it."""
    rooms = [found.name for found in pkgutil.walk_packages(outgrow.__path__, "outgrow.") if found.ispkg]
    return {name: room for room in rooms for name in registries(importlib.import_module(room))}


def base_of(registry: Registry) -> type[Component]:
    """The nearest class that all entries share and that is none of them."""
    bases = inspect.getmro(next(iter(registry.values())))
    shared = [base for base in bases if _is_component(base) and base not in registry.values()]
    return next(base for base in shared if all(issubclass(one, base) for one in registry.values()))


def component_page(title: str, package: ModuleType, link: Link, key: str, extra: Iterable[str] = ()) -> str:
    """A page of a package's registry; of its docstring alone where it has none. key: the recipe key that takes the type."""
    parts = [md.prose(package.__doc__)]
    for registry in registries(package).values():
        base = base_of(registry)
        used = f"Recipe key: {key}. `type` is one of the names below, or `module:Class` for a class of your own." if key else ""
        shared = settings_table(base, link, without=["type"])
        parts += [used, _index(registry), f"## Settings of all\n\n{md.prose(base.__doc__)}\n\n{shared}" if shared else ""]
        parts += [_entry(name, cls, base, link) for name, cls in registry.items()]
    return md.page(title, *parts, *extra)


def _index(registry: Registry) -> str:
    rows = [[f"[{md.code(name)}](#{md.anchor(name)})", md.inline(_about(cls))] for name, cls in registry.items()]
    return md.table(["type", "what it is"], rows)


def _about(cls: type[Component]) -> str:
    """The first paragraph of its module's docstring: one algorithm, one file."""
    return (sys.modules[cls.__module__].__doc__ or "").strip().partition("\n\n")[0]


def _entry(name: str, cls: type[Component], base: type[Component], link: Link) -> str:
    same = [key for key, field in base.model_fields.items() if _alike(cls, base, key) and field.annotation is not None]
    settings = settings_table(cls, link, without=["type", *same]) or "It has no settings of its own."
    module = md.prose(sys.modules[cls.__module__].__doc__)
    return "\n\n".join(
        [f"## {md.code(name)}", *(part for part in (module, md.prose(cls.__dict__.get("__doc__")), settings) if part)]
    )


def _alike(cls: type[BaseModel], base: type[BaseModel], key: str) -> bool:
    ours, theirs = cls.model_fields[key], base.model_fields[key]
    return (ours.default, ours.annotation, ours.description) == (theirs.default, theirs.annotation, theirs.description)


def instances_table(heading: str, named: dict[str, Component]) -> str:
    """A line for each component that has a name of its own, such as the suites."""
    return md.table([heading, "type and settings"], ([md.code(name), "<br>".join(_written(one))] for name, one in named.items()))


def _written(one: Component) -> list[str]:
    """A component in a line, without those of its settings that are tables; one that holds others in a line for each."""
    said = {key: getattr(one, key) for key in type(one).model_fields if key != "type" and key in one.model_fields_set}
    inner = [part for value in said.values() if isinstance(value, tuple) for part in value if isinstance(part, Component)]
    if inner:
        return [line for part in inner for line in _written(part)]
    settings = (md.code(f"{key} = {toml(value)}") for key, value in said.items() if not isinstance(value, dict))
    return [f"{md.code(one.type)}: {', '.join(settings)}"]
