"""Reading Parquet files that anybody may have made. A file of a few kilobytes can unpack to more than a machine's memory."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .files import require_regular

_SHARE = 4  # of the machine's memory, as a divisor
_ROWS = 256  # unpacked at once


def read_parquet(path: Path, columns: Sequence[str] | None = None, limit: int | None = None) -> pa.Table:
    """Return the rows of a Parquet file. columns: default all. limit: bytes that they may unpack to. Default: a quarter of memory.

    Raises OSError where it is not a regular file, or unpacks to more; and what pyarrow raises where it is damaged.
    """
    require_regular(path)
    limit = limit or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _SHARE
    batches, size = [], 0
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        for batch in file.iter_batches(_ROWS, columns=None if columns is None else list(columns)):
            size += batch.nbytes
            if size > limit:
                raise OSError(errno.EFBIG, f"its {file.metadata.num_rows:,} rows unpack to more than {limit:,} bytes", str(path))
            batches.append(batch)
    if not batches:
        return schema.empty_table() if columns is None else schema.empty_table().select(list(columns))
    return pa.Table.from_batches(batches).replace_schema_metadata(schema.metadata)
