"""JSON lines of numbers as columns: 100,000 steps of 25 metrics are 20 MB, and a file that grew is read from where it ended."""

import math
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import overload

from .figure_lines import parsed_figures
from .files import open_regular, read_rest

_TAIL = 512  # bytes before the end of what was read, which show whether the file still begins as it did
_MISSING = math.nan  # JSON has no NaN, so no value of a file is one


class Rows(Sequence[Mapping[str, float]]):
    """The rows of a table as they are now; rows that come later are not part of it."""

    def __init__(self, columns: Mapping[str, "array[float]"], whole: frozenset[str], count: int) -> None:
        """whole: the columns of whole numbers."""
        self._columns, self._whole, self._count = columns, whole, count

    @property
    def keys(self) -> list[str]:
        """The names of the columns, in the order of their first use."""
        return list(self._columns)

    def column(self, key: str) -> list[float | None]:
        """Return a value for each row, None where a row has none."""
        if key not in self._columns:
            return [None] * self._count
        values = self._columns[key][: self._count].tolist()
        values += [_MISSING] * (self._count - len(values))
        if key in self._whole:
            return [None if value != value else int(value) for value in values]
        return [None if value != value else value for value in values]

    def nbytes(self) -> int:
        """Return the bytes that the columns take."""
        return 8 * sum(map(len, self._columns.values()))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Mapping[str, float]: ...

    @overload
    def __getitem__(self, index: slice) -> list[Mapping[str, float]]: ...

    def __getitem__(self, index: int | slice) -> Mapping[str, float] | list[Mapping[str, float]]:
        places = range(self._count)[index]
        return self._at(places) if isinstance(places, int) else [self._at(place) for place in places]

    def __iter__(self) -> Iterator[Mapping[str, float]]:
        return map(self._at, range(self._count))

    def _at(self, place: int) -> dict[str, float]:
        values = ((key, column[place] if place < len(column) else _MISSING) for key, column in self._columns.items())
        return {key: int(value) if key in self._whole else value for key, value in values if value == value}


class RowTable:
    """Rows of numbers that grow. Safe to read from several threads while one adds."""

    def __init__(self) -> None:
        self._columns: dict[str, array[float]] = {}
        self._broken: set[str] = set()  # columns with a value that is not a whole number
        self._count = 0

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, float]]) -> Rows:
        """Return these rows as columns."""
        table = cls()
        for row in rows:
            table.add(row)
        return table.rows()

    def add(self, row: Mapping[str, float]) -> None:
        """Add a row of a step and finite numbers."""
        for key, value in row.items():
            column = self._columns.get(key)
            if column is None:
                column = self._columns[key] = array("d")
            if len(column) < self._count:
                column.extend([_MISSING] * (self._count - len(column)))
            column.append(value)
            if type(value) is not int:
                self._broken.add(key)
        self._count += 1

    def rows(self) -> Rows:
        """Return the rows so far."""
        return Rows(dict(self._columns), frozenset(self._columns.keys() - self._broken), self._count)


class AppendedLines:
    """A file of lines that grows. Only what was appended is read, unless the file was written again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: tuple[int, int] | None = None
        self._end, self._tail = 0, b""

    def read(self) -> tuple[bool, list[bytes]]:
        """Return whether the file was written again, so that all earlier lines are void, and the new whole lines.

        A file that is missing has no lines. Raises OSError where it is not a regular file, or holds too much to be read at once.
        """
        try:
            file = open_regular(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return self._restart(None), []
        with file:
            status = os.fstat(file.fileno())
            again = (status.st_dev, status.st_ino) != self._file or status.st_size < self._end
            if not again:
                file.seek(self._end - len(self._tail))
                again = file.read(len(self._tail)) != self._tail
            if again:
                self._restart((status.st_dev, status.st_ino))
                file.seek(0)
            new = read_rest(file, self._path)
        whole = new[: new.rfind(b"\n") + 1]
        self._end += len(whole)
        self._tail = (self._tail + whole)[-_TAIL:] if len(whole) < _TAIL else whole[-_TAIL:]
        return again, whole.split(b"\n")[:-1]

    def _restart(self, file: tuple[int, int] | None) -> bool:
        known = self._file is not None
        self._file, self._end, self._tail = file, 0, b""
        return known


class FollowedRows:
    """The rows of a file of JSON lines, read on as it grows. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path, self._lines, self._table, self._lock = path, AppendedLines(path), RowTable(), Lock()

    def read(self) -> Rows:
        """Return all rows of now. Raises OSError, or ValueError where a line is not a step and finite numbers."""
        with self._lock:
            again, lines = self._lines.read()
            if again:
                self._table = RowTable()
            try:
                for row in parsed_figures(lines):
                    self._table.add(row)
            except ValueError:
                self._lines, self._table = AppendedLines(self._path), RowTable()
                raise
            return self._table.rows()
