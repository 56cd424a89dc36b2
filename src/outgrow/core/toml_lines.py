"""On which line of a TOML text a key is set.

No TOML library for Python gives it, so tomllib itself is asked, statement by statement: a statement is the fewest lines, from where
the one before it ended, that are valid TOML on their own. What tomllib accepts is therefore read as tomllib reads it, whatever
strings, comments and quotes it has.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from .toml_file import parse_toml

Path = tuple[str | int, ...]
"""Keys from the top level down; a number is a place in a list, from 0."""

_DEPTH = 4  # lists and inline tables in each other; what is deeper is found where the one around it begins
_CLOSERS = ["".join(signs) for depth in range(_DEPTH + 1) for signs in product("]}", repeat=depth)]
"""What may be open at the end of a line inside a value."""


@dataclass(frozen=True)
class Setting:
    """Where a text sets a key."""

    line: int
    """From 1."""
    table: Path
    """The table whose header stands above it; empty at the top level."""
    key: Path
    """The key that stands before the equals sign, below `table`; empty where the line is a header."""


@dataclass(frozen=True)
class _Statement:
    first: int
    """Its first line, from 1."""
    lines: tuple[str, ...]
    table: Path
    key: Path
    values: dict[str, Any]

    def sets(self, path: Path) -> bool:
        """Whether the value at this path, or a table on its way, is set here."""
        here = (*self.table, *self.key)
        if len(path) <= len(here):
            return here[: len(path)] == path
        return here == path[: len(here)] and _has(self.values, path[len(self.table) :])

    def line(self, path: Path) -> int:
        """Return the line on which the key at this path begins, or the item of a list."""
        below = path[len(self.table) :]
        if len(below) <= len(self.key):
            return self.first
        whole = 0  # lines that hold whole items, before this one
        for count in range(1, len(self.lines) + 1):
            begun = "\n".join(self.lines[:count]) + "\n"
            readings = [values for closer in _CLOSERS if (values := _parsed(begun + closer))]
            if any(_has(values, below) for values in readings):
                break
            whole = count if readings else whole
        return self.first + whole


class TomlLines:
    """The lines of a text that tomllib accepts."""

    def __init__(self, text: str) -> None:
        self._text = text

    def find(self, path: Path) -> Setting | None:
        """Return where a key, table or item of a list is set first; None where the text does not set it.

        >>> TomlLines("[learn]\\nsteps = 3").find(("learn", "steps"))
        Setting(line=2, table=('learn',), key=('steps',))
        """
        statement = next((statement for statement in self._statements if statement.sets(path)), None)
        return None if statement is None else Setting(statement.line(path), statement.table, statement.key)

    @cached_property
    def _statements(self) -> list[_Statement]:
        statements: list[_Statement] = []
        table: Path = ()
        counts: dict[Path, int] = {}
        for first, lines in _split(self._text):
            values = _parsed("\n".join(lines))
            if not values:  # an empty line or a comment
                continue
            if lines[0].lstrip().startswith("["):
                table = _header(values, counts)
                statements.append(_Statement(first, lines, table, (), {}))
            else:
                statements.append(_Statement(first, lines, table, _key(lines), values))
        return statements


def _split(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield each statement: its first line, from 1, and its lines."""
    # Only these end a line in TOML; str.splitlines knows more, which may stand in a string.
    lines = text.replace("\r\n", "\n").split("\n")
    first = 0
    while first < len(lines):
        end = next((end for end in range(first + 1, len(lines) + 1) if _is_valid("\n".join(lines[first:end]))), len(lines))
        yield first + 1, tuple(lines[first:end])
        first = end


def _header(values: dict[str, Any], counts: dict[Path, int]) -> Path:
    """Return the path of the table that a header opens. values: the header as tomllib reads it without what is above it.

    counts: tables so far in each list of tables, which grows here.
    """
    path: Path = ()
    inner: Any = values
    while inner:
        [(name, inner)] = inner.items()
        path = (*path, name)
        if isinstance(inner, list):  # [[name]]: a new table of the list
            counts[path] = counts.get(path, 0) + 1
            inner = {}
        if path in counts:
            path = (*path, counts[path] - 1)
    return path


def _key(lines: tuple[str, ...]) -> Path:
    """Return the key of a statement: what stands before its equals sign, at which a quoted key may have others."""
    before, *rest = lines[0].split("=")
    for part in (*rest, None):
        values = _parsed(f"{before}=0")
        if values:
            break
        before = f"{before}={part}"
    path: Path = ()
    inner: Any = values
    while isinstance(inner, dict):
        [(name, inner)] = inner.items()
        path = (*path, name)
    return path


def _parsed(text: str) -> dict[str, Any]:
    try:
        return parse_toml(text)
    except tomllib.TOMLDecodeError:
        return {}


def _is_valid(text: str) -> bool:
    try:
        parse_toml(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def depth_in(values: Any, path: Path) -> int:
    """Return how many of the leading keys of a path these TOML values hold.

    >>> depth_in({"a": [{"b": 1}]}, ("a", 0, "c"))
    2
    """
    for depth, part in enumerate(path):
        in_table = isinstance(values, Mapping) and part in values
        if not in_table and not (isinstance(values, list) and isinstance(part, int) and part < len(values)):
            return depth
        values = values[part]
    return len(path)


def _has(values: Any, path: Path) -> bool:
    return depth_in(values, path) == len(path)
