"""Rows of one file, whatever its format: JSON lines, a JSON array, CSV, TSV, Parquet, Arrow; each also compressed by gzip."""

import csv
import gzip
import io
import json
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import DAMAGED, UsageError, first_line
from .opened import lines_of, open_file, read_whole, too_much, unpacked_limit

Row = tuple[str, dict[str, Any]]  # where it stands, for errors ("train.jsonl, line 3"), and its columns

_LONGEST_CELL = 2**31 - 1  # characters of a CSV cell; the csv module's own limit is 131,072
_MOST_COLUMNS = 10_000
_ROWS = 256  # of a Parquet file that are unpacked at once
_PYTHON = 64  # bytes that a value takes in Python in addition to its own


def format_of(path: Path) -> str | None:
    """Return the suffix that says how a file is read, without ".gz"; None where the file is none of FORMATS.

    >>> format_of(Path("a/train.jsonl.gz")), format_of(Path("notes.txt"))
    ('.jsonl', None)
    """
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    return suffix.lower() if suffix.lower() in FORMATS else None


def read_file(path: Path) -> Iterator[Row]:
    """Yield the rows of one file. Raises UsageError naming the file, and the line or row where one cannot be read.

    What is not a regular file, has more than 10,000 columns, or is packed and unpacks to more than a quarter of memory is refused.
    """
    suffix = format_of(path)
    if suffix is None:
        raise UsageError(f"{path}: rows are read from {FORMAT_NAMES} files, also with .gz")
    try:
        with open_file(path) as file:
            yield from FORMATS[suffix](path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path}: not a whole gzip file ({first_line(error)})") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot read this file ({error.strerror or error})") from error


def _require_columns(where: str, names: Collection[str]) -> None:
    """Raise UsageError where the columns are too many to be a table of problems, or two of them have the same name."""
    if len(names) > _MOST_COLUMNS:
        raise UsageError(f"{where}: {len(names):,} columns, and up to {_MOST_COLUMNS:,} are read; keep those that are needed")
    if len(set(names)) < len(names):
        repeated, _ = Counter(names).most_common(1)[0]
        raise UsageError(f"{where}: two columns have the name {repeated!r}; rename one")


def _json_lines(path: Path, file: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(lines_of(path, file), 1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip():
            continue
        if number == 1 and line.lstrip().startswith(b"[") and _is_json(content := read_whole(path, file, line)):
            yield from _whole_json(path, content)
            return
        where = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where}: not a JSON row ({error})") from error
        if not isinstance(row, dict):
            raise UsageError(f"{where}: a row must be a JSON object with named columns")
        _require_columns(where, row)
        yield where, row


def _json(path: Path, file: IO[bytes]) -> Iterator[Row]:
    """Yield the rows of a .json file: an array, an object that holds one (or the columns of a table), or JSON lines."""
    content = read_whole(path, file)
    lines = [line for line in content.split(b"\n", 2)[:2] if line.strip()]
    try:
        several = len(lines) > 1 and isinstance(json.loads(lines[0].removeprefix(b"\xef\xbb\xbf")), dict)
    except (ValueError, RecursionError):
        several = False  # an array or an object over several lines
    yield from _json_lines(path, io.BytesIO(content)) if several else _whole_json(path, content)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _whole_json(path: Path, content: bytes) -> Iterator[Row]:
    try:
        rows = _array_in(json.loads(content.removeprefix(b"\xef\xbb\xbf")))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path.name}: not JSON ({error})") from error
    if rows is None:
        raise UsageError(f"{path.name}: holds no array of rows; a row is a JSON object with named columns")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise UsageError(f"{path.name}, row {number}: a row must be a JSON object with named columns")
        _require_columns(f"{path.name}, row {number}", row)
        yield f"{path.name}, row {number}", row


def _array_in(value: Any) -> list[Any] | None:
    """Return the rows that a JSON value holds: itself, the only array in it, or its columns as pandas writes them."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    columns = list(value.values())
    if columns and all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns):
        return [{name: column[key] for name, column in value.items()} for key in columns[0]]
    arrays = [item for item in columns if isinstance(item, list)]
    return arrays[0] if len(arrays) == 1 else [value] if not arrays else None


def _separated(separators: str) -> Callable[[Path, IO[bytes]], Iterator[Row]]:
    """Return a reader of tables as text. separators: candidates; the one that the first line has most of counts."""

    def read(path: Path, file: IO[bytes]) -> Iterator[Row]:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        limit = csv.field_size_limit(_LONGEST_CELL)
        line = 1
        try:
            lines = lines_of(path, text)
            first = next(lines, "")
            reader = csv.reader(chain([first], lines), delimiter=max(separators, key=first.count))
            header = next(reader, [])
            _require_columns(path.name, header)
            for cells in reader:
                line = reader.line_num
                if cells and len(cells) != len(header):
                    raise UsageError(f"{path.name}, line {line}: {len(cells)} cells where the header names {len(header)} columns")
                if cells:
                    yield f"{path.name}, line {line}", dict(zip(header, cells, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise UsageError(f"{path.name}, after line {line}: cannot be read as text with separators ({error})") from error
        finally:
            csv.field_size_limit(limit)
            text.detach()

    return read


def _parquet(path: Path, file: IO[bytes]) -> Iterator[Row]:
    try:
        with pq.ParquetFile(_seekable(path, file)) as table:
            yield from _batches(path, table.iter_batches(_ROWS))
    except (pa.ArrowException, OverflowError) as error:
        raise UsageError(f"{path}: not a Parquet file ({first_line(error)})") from error


def _arrow(path: Path, file: IO[bytes]) -> Iterator[Row]:
    try:
        with pa.ipc.open_stream(file) as table:
            yield from _batches(path, table)
    except (pa.ArrowException, OverflowError) as error:
        raise UsageError(f"{path}: not an Arrow file ({first_line(error)})") from error


def _seekable(path: Path, file: IO[bytes]) -> IO[bytes]:
    return file if file.seekable() else io.BytesIO(read_whole(path, file))


def _batches(path: Path, batches: Iterator[Any]) -> Iterator[Row]:
    left, number = unpacked_limit(), 0
    for batch in batches:
        _require_columns(path.name, batch.schema.names)
        left -= batch.nbytes + _PYTHON * sum(map(_values_in, batch.columns))
        if left < 0:
            raise too_much(path)
        try:
            rows = _python_rows(batch)
        except DAMAGED as error:
            raise UsageError(f"{path.name}, after row {number}: cannot be read ({first_line(error)})") from error
        for row in rows:
            number += 1
            yield f"{path.name}, row {number}", row


def _values_in(column: Any) -> int:
    """Return how many values a column holds, with those in its lists and structs."""
    if pa.types.is_struct(column.type):
        return len(column) + sum(map(_values_in, column.flatten()))
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) or pa.types.is_fixed_size_list(column.type):
        return len(column) + _values_in(column.flatten())
    return len(column)


def _python_rows(batch: Any) -> list[dict[str, Any]]:
    """Return the rows of a record batch. A text that is not UTF-8 stays bytes."""
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError:
        columns = {name: _decoded(batch.column(name)) for name in batch.schema.names}
        rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return rows


def _decoded(column: Any) -> list[Any]:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return list(column.to_pylist())
    cells = column.cast(pa.large_binary()).to_pylist()
    return [cell if cell is None or not _is_utf8(cell) else cell.decode() for cell in cells]


def _is_utf8(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True


FORMATS: dict[str, Callable[[Path, IO[bytes]], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _separated(",;\t"),
    ".tsv": _separated("\t"),
    ".parquet": _parquet,
    ".arrow": _arrow,
}
"""Suffix -> reader of an open file."""
FORMAT_NAMES = ".jsonl, .json, .csv, .tsv, .parquet or .arrow"
