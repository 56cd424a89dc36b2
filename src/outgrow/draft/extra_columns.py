"""Columns of a table that hold a problem's level or field, found by name and content."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..problems.cell import Unusable, cell_text
from ..problems.table import level_of

LEVELS = ("level", "difficulty", "difficulty_level")
"""Names of a level's column, in any case."""
FIELDS = ("field", "subject", "category", "topic", "type", "domain", "task")
"""Names of a field's column, in any case."""
_MOST_LEVELS = _MOST_FIELDS = 40
_LONGEST = 60  # characters of a field's name


def level_column(rows: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the column whose values all write a level, of which there are at least two; None without one.

    >>> level_column([{"difficulty": "Level 1"}, {"difficulty": "Level 3"}]), level_column([{"level": "easy"}, {"level": "hard"}])
    ('difficulty', None)
    """
    for column, values in _columns(rows, LEVELS):
        levels = {level_of(value) for value in values}
        # "Level ?" is a value of MATH, so one level may be unknown.
        if 2 <= len(levels) <= _MOST_LEVELS and levels != {0} and len(levels - {0}) > 1:
            return column
    return None


def field_column(rows: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the column whose values name fields: 2 to 40 short texts, each of two rows or more on average; None without one.

    >>> field_column([{"type": "sum"}, {"type": "difference"}] * 4), field_column([{"type": "a"}, {"type": "b"}])
    ('type', None)
    """
    for column, values in _columns(rows, FIELDS):
        names = set(values)
        if 2 <= len(names) <= min(_MOST_FIELDS, len(values) // 2) and all(0 < len(name) <= _LONGEST for name in names):
            return column
    return None


def _columns(rows: Iterable[Mapping[str, Any]], names: tuple[str, ...]) -> Iterable[tuple[str, list[str]]]:
    """Yield the columns of these names that every row has, in the order of the names, with their texts."""
    listed = list(rows)
    if not listed:
        return
    spelled = {key.casefold(): key for key in reversed(list(listed[0]))}
    for name in names:
        column = spelled.get(name)
        if column is None or not all(column in row for row in listed):
            continue
        texts = [_text(row[column]) for row in listed]
        if all(text is not None for text in texts):
            yield column, [text or "" for text in texts]


def _text(value: Any) -> str | None:
    """Return a cell's text, an empty one where it is missing; None for nested values."""
    if isinstance(value, dict | list):
        return None
    try:
        return cell_text(value)
    except Unusable:
        return ""
