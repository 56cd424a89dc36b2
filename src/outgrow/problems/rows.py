"""Rows of a table, from wherever a person has it: a JSONL or Parquet file, or a set on the hub."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import snapshot_download

from ..core.errors import UsageError, first_line

Row = tuple[str, dict[str, Any]]  # where it stands, for errors ("train.jsonl, line 3"), and its columns


def file_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a .jsonl or .parquet file. Raises UsageError naming the file, and the line where one cannot be read."""
    if path.suffix not in (".jsonl", ".parquet"):
        raise UsageError(f"{path}: rows are read from .jsonl or .parquet files")
    try:
        yield from _jsonl_rows(path) if path.suffix == ".jsonl" else _parquet_rows(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot read this file ({error.strerror or error})") from error


def set_rows(
    name: str, split: str, repository: str | None, config: str | None = None, hub_split: str | None = None
) -> Iterator[Row]:
    """Return the rows of a known set: of $OUTGROW_DATA/NAME/SPLIT.jsonl, or of the hub where that file is missing.

    Raises UsageError that names both places where the set is in neither.
    """
    folder = os.environ.get("OUTGROW_DATA")
    file = Path(folder, name, f"{split}.jsonl") if folder else None
    if file is not None and file.is_file():
        return file_rows(file)
    tried = f"{file} is not there" if file else "OUTGROW_DATA names no folder"
    if repository is None:
        raise UsageError(f"{name}/{split}.jsonl: {tried}; put the set there, a row a line with columns question and answer")
    try:
        return hub_rows(repository, hub_split or split, config)
    except UsageError as error:
        raise UsageError(f"{error} ({tried}; put the set there as {name}/{split}.jsonl, or go online)") from error


def hub_rows(repository: str, split: str, config: str | None = None) -> Iterator[Row]:
    """Return the rows of a split of a set on the hub, from the Parquet files that the hub makes of every public set.

    Raises UsageError where it cannot be downloaded.
    """
    pattern = f"{config or 'default'}/{split}/*.parquet"
    try:
        folder = snapshot_download(repository, repo_type="dataset", revision="refs/convert/parquet", allow_patterns=pattern)
    except Exception as error:  # offline, missing, gated, a broken connection: a dozen types out of three libraries
        raise UsageError(f"{repository}: cannot get this set from the hub: {first_line(error)}") from error
    files = sorted(Path(folder).glob(pattern))
    if not files:
        raise UsageError(f"{repository}: no split {split!r} of config {config or 'default'!r} on the hub")
    return (row for file in files for row in _parquet_rows(file))


def _jsonl_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path.name}, line {number}"
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(f"{where}: not a JSON row ({error})") from error
            if not isinstance(row, dict):
                raise UsageError(f"{where}: a row must be a JSON object with named columns")
            yield where, row


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        with pq.ParquetFile(path) as file:
            rows = (row for batch in file.iter_batches() for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                yield f"{path.name}, row {number}", row
    except pa.ArrowInvalid as error:
        raise UsageError(f"{path}: not a Parquet file ({error})") from error
