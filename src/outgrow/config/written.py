"""Where each key of a recipe was written: in a file, in one that it extends, or in an option --set."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from ..core.refusals import toml_line
from ..core.toml_file import parse_toml
from ..core.toml_lines import Path, Setting, TomlLines, depth_in
from ..core.type_words import toml


class Place(Protocol):
    """Where a key was written."""

    @property
    def where(self) -> str:
        """The file and the line, or the option."""

    def write(self, path: Path, value: Any) -> str:
        """Return what to write there so that the key at this path gets this value."""


class Layer(Protocol):
    """One text that says keys of a recipe."""

    def depth(self, path: Path) -> int:
        """Return how many of the leading keys of this path it says."""

    def hides(self, path: Path) -> bool:
        """Whether it replaces, and does not merge with, what the layers below it say of this path."""

    def place(self, path: Path) -> Place:
        """Return where it says this path, of which it says every key."""


@dataclass(frozen=True)
class InFile:
    """A line of a recipe's file."""

    file: str
    """The file, or the name of a shipped recipe."""
    setting: Setting

    @property
    def where(self) -> str:
        return f"{self.file}, line {self.setting.line}"

    def write(self, path: Path, value: Any) -> str:
        table, key = self.setting.table, self.setting.key
        if toml_line(path, value).startswith("["):  # a header, which says the whole path
            return toml_line(path, value)
        here, below = (*table, *key), path[len(table) :]
        if path[:-1] != here[:-1] and path[: len(here)] != here:
            return _under_header(path, value)
        inside_a_value = len(path) > len(here) and key
        return toml_line(below[-1:] if inside_a_value or _has_number(below) else below, value)


@dataclass(frozen=True)
class InOption:
    """An option --set."""

    option: str
    """What stands after --set."""

    @property
    def where(self) -> str:
        return f"--set {self.option}"

    def write(self, path: Path, value: Any) -> str:
        if _has_number(path):  # --set sets a whole list; what is inside it is shown as it is written there
            return toml_line(path[-1:], value)
        if isinstance(value, BaseModel) and not hasattr(value, "type"):
            value = value.model_dump(exclude_none=True)
        if isinstance(value, Mapping) and "type" not in value and value:
            inner, value = next(iter(value.items()))
            path = (*path, inner)
        text = value if isinstance(value, str) and _is_bare(value) else toml(value)
        return f"--set {shlex.quote('.'.join(map(str, path)) + '=' + text)}"


@dataclass(frozen=True)
class FileLayer:
    """A recipe's file."""

    name: str
    """The file as it was named, or the name of a shipped recipe."""
    text: str
    values: Mapping[str, Any]
    """Its keys, without `extends`."""

    def depth(self, path: Path) -> int:
        return depth_in(self.values, path)

    def hides(self, path: Path) -> bool:
        value: Any = self.values
        for part in path:
            if not isinstance(value, Mapping) or part not in value:
                return False
            value = value[part]
            if not isinstance(value, Mapping) or "type" in value:
                return True
        return False

    def place(self, path: Path) -> Place:
        setting = TomlLines(self.text).find(path)
        assert setting is not None, path
        return InFile(self.name, setting)

    def extends_at(self) -> str:
        """Return the file and the line at which it names the recipe that it extends."""
        setting = TomlLines(self.text).find(("extends",))
        assert setting is not None
        return InFile(self.name, setting).where


@dataclass(frozen=True)
class OptionLayer:
    """An option --set."""

    option: str
    keys: tuple[str, ...]
    value: Any

    def depth(self, path: Path) -> int:
        values: Any = self.value
        for key in reversed(self.keys):
            values = {key: values}
        return depth_in(values, path)

    def hides(self, path: Path) -> bool:
        return path[: len(self.keys)] == self.keys

    def place(self, path: Path) -> Place:
        return InOption(self.option)


@dataclass(frozen=True)
class TableLayer:
    """A table of another layer, as the stage of a flywheel is."""

    table: Path
    layer: Layer

    def depth(self, path: Path) -> int:
        return max(0, self.layer.depth((*self.table, *path)) - len(self.table))

    def hides(self, path: Path) -> bool:
        return self.layer.hides((*self.table, *path))

    def place(self, path: Path) -> Place:
        return _InTable(self.table, self.layer.place((*self.table, *path)))


@dataclass(frozen=True)
class _InTable:
    table: Path
    place: Place

    @property
    def where(self) -> str:
        return self.place.where

    def write(self, path: Path, value: Any) -> str:
        return self.place.write((*self.table, *path), value)


def place_of(path: Path, layers: Sequence[Layer]) -> Place | None:
    """Return where a key was written, or the innermost table around it that was; None where not even that was.

    layers: the one that counts first.
    """
    deepest, nearest = 0, None
    for layer in layers:
        depth = layer.depth(path)
        if depth > deepest:
            deepest, nearest = depth, layer
        if depth == len(path) or layer.hides(path):
            break
    return nearest.place(path[:deepest]) if nearest is not None else None


def _under_header(path: Path, value: Any) -> str:
    """Return what to write to set a key of another table than the one that a line stands in."""
    if len(path) == 1:
        return f"{toml_line(path, value)} above the first [table]"
    return f"[{'.'.join(map(str, path[:-1]))}] and below it: {toml_line(path[-1:], value)}"


def _is_bare(text: str) -> bool:
    """Whether --set reads a text without quotes as this text."""
    try:
        parse_toml(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return bool(text) and text == text.strip()
    return False


def _has_number(path: Path) -> bool:
    return any(isinstance(part, int) for part in path)
