"""A recipe as it is drafted: tables of lines, each with its value and the reason for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Choice(Generic[T]):
    """A value, and why it is this one."""

    value: T
    why: str


@dataclass(frozen=True)
class Line:
    """A key with its value; without a key, only a comment."""

    key: str
    value: Any
    why: str = ""

    @staticmethod
    def of(key: str, choice: Choice[Any]) -> "Line":
        """Return the line of a choice."""
        return Line(key, choice.value, choice.why)

    @staticmethod
    def comment(text: str) -> "Line":
        """Return a line without a key."""
        return Line("", None, text)


@dataclass(frozen=True)
class Table:
    """A table of the recipe: its name as TOML has it ("policy.lora"), empty for the keys above all tables."""

    name: str
    lines: Sequence[Line]
    repeated: bool = False
    """Whether it is one of a list, as [[problems]] is."""


@dataclass(frozen=True)
class Draft:
    """A drafted recipe."""

    head: Sequence[str]
    """Comments above everything."""
    tables: Sequence[Table]
    notes: Sequence[str] = field(default=())
    """What a person should know before they train, a line each."""
    estimate: str = ""
    """What training takes on this machine, in a line."""

    def values(self) -> dict[str, Any]:
        """Return the recipe's values, as reading its TOML gives them."""
        values: dict[str, Any] = {}
        for table in self.tables:
            entries = {line.key: line.value for line in table.lines if line.key}
            *outside, name = table.name.split(".")
            place = values
            for part in outside:
                place = place.setdefault(part, {})
            if not name:
                place.update(entries)
            elif table.repeated:
                place.setdefault(name, []).append(entries)
            elif entries:
                place.setdefault(name, {}).update(entries)
        return values
