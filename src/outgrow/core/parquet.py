"""Reading Parquet files that anybody may have made. A file of a few kilobytes can unpack to more than a machine's memory."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .files import require_regular
from .memory import share_of_memory

_SHARE = 4  # of the machine's memory, as a divisor
_ROWS = 256  # unpacked at once


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file inside. Raises OSError where it is not a regular file, and what pyarrow raises where it is damaged."""
    require_regular(path)
    with pq.ParquetFile(path) as file:
        yield file


def read_parquet(path: Path, columns: Sequence[str] | None = None, limit: int | None = None) -> pa.Table:
    """Return the rows of a Parquet file; see `read_rows`. Raises what `open_parquet` raises too."""
    with open_parquet(path) as file:
        return read_rows(file, path, columns, limit)


def read_rows(
    file: pq.ParquetFile,
    path: Path,
    columns: Sequence[str] | None = None,
    limit: int | None = None,
    row_groups: Sequence[int] | None = None,
) -> pa.Table:
    """Return the rows of an open Parquet file, which `path` is.

    columns: default all. limit: bytes that they may unpack to. Default: a quarter of memory. row_groups: default all.

    Raises OSError where they unpack to more; and what pyarrow raises where the file is damaged.
    """
    limit = limit or share_of_memory(_SHARE)
    names = None if columns is None else list(columns)
    batches, size, schema = [], 0, file.schema_arrow
    # Most of these files are small: threads cost more than they save.
    for batch in file.iter_batches(_ROWS, None if row_groups is None else list(row_groups), names, use_threads=False):
        size += batch.nbytes
        if size > limit:
            raise OSError(errno.EFBIG, f"its {file.metadata.num_rows:,} rows unpack to more than {limit:,} bytes", str(path))
        batches.append(batch)
    if not batches:
        return schema.empty_table() if names is None else schema.empty_table().select(names)
    return pa.Table.from_batches(batches).replace_schema_metadata(schema.metadata)
