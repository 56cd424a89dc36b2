"""Rows of one file, whatever its format: JSON lines, a JSON array, CSV, TSV, Parquet, Arrow; each also compressed by gzip."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import UsageError, first_line

Row = tuple[str, dict[str, Any]]  # where it stands, for errors ("train.jsonl, line 3"), and its columns

_LONGEST_CELL = 2**31 - 1  # characters of a CSV cell; the csv module's own limit is 131,072


def format_of(path: Path) -> str | None:
    """Return the suffix that says how a file is read, without ".gz"; None where the file is none of FORMATS.

    >>> format_of(Path("a/train.jsonl.gz")), format_of(Path("notes.txt"))
    ('.jsonl', None)
    """
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    return suffix.lower() if suffix.lower() in FORMATS else None


def read_file(path: Path) -> Iterator[Row]:
    """Yield the rows of one file. Raises UsageError naming the file, and the line or row where one cannot be read."""
    suffix = format_of(path)
    if suffix is None:
        raise UsageError(f"{path}: rows are read from {FORMAT_NAMES} files, also with .gz")
    try:
        with _open(path) as file:
            yield from FORMATS[suffix](path, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{path}: not a whole gzip file ({first_line(error)})") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot read this file ({error.strerror or error})") from error


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _json_lines(path: Path, file: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(file, 1):
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip():
            continue
        if number == 1 and line.lstrip().startswith(b"[") and _is_json(content := line + file.read()):
            yield from _whole_json(path, content)
            return
        where = f"{path.name}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{where}: not a JSON row ({error})") from error
        if not isinstance(row, dict):
            raise UsageError(f"{where}: a row must be a JSON object with named columns")
        yield where, row


def _json(path: Path, file: IO[bytes]) -> Iterator[Row]:
    """Yield the rows of a .json file: an array, an object that holds one (or the columns of a table), or JSON lines."""
    content = file.read()
    lines = [line for line in content.splitlines()[:2] if line.strip()]
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
            first = text.readline()
            text.seek(0)
            reader = csv.reader(text, delimiter=max(separators, key=first.count))
            header = next(reader, [])
            if len(set(header)) < len(header):
                raise UsageError(f"{path.name}: two columns have the name {_repeated(header)!r}; rename one")
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


def _repeated(names: list[str]) -> str:
    return next(name for index, name in enumerate(names) if name in names[:index])


def _parquet(path: Path, file: IO[bytes]) -> Iterator[Row]:
    try:
        with pq.ParquetFile(file) as table:
            yield from _batches(path, table.iter_batches())
    except (pa.ArrowException, OverflowError) as error:
        raise UsageError(f"{path}: not a Parquet file ({first_line(error)})") from error


def _arrow(path: Path, file: IO[bytes]) -> Iterator[Row]:
    try:
        with pa.ipc.open_stream(file) as table:
            yield from _batches(path, table)
    except (pa.ArrowException, OverflowError) as error:
        raise UsageError(f"{path}: not an Arrow file ({first_line(error)})") from error


def _batches(path: Path, batches: Iterator[Any]) -> Iterator[Row]:
    rows = (row for batch in batches for row in _python_rows(batch))
    for number, row in enumerate(rows, 1):
        yield f"{path.name}, row {number}", row


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
