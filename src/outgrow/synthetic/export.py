"""Writes synthetic data as a folder in the hub's data set format: Parquet in data/, the card, the summary."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ..core.errors import OutgrowError
from ..core.files import new_folder
from ..core.new_path import require_new
from .row import SyntheticRow
from .summary import SyntheticSummary, write_summary

PARQUET = "data/train-00000-of-00001.parquet"
_GROUP_ROWS = 2000  # of a row group: a reader holds one group at a time
_MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
_SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("field", pa.string()),
        ("level", pa.int64()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("messages", pa.list_(_MESSAGE)),
        ("sampled", pa.string()),
        ("verdict", pa.string()),
        ("extracted", pa.string()),
        ("pass_rate", pa.float64()),
        ("n", pa.int64()),
        ("generation", pa.int64()),
        ("model", pa.string()),
        ("length", pa.int64()),
    ]
)


def export(
    rows: Sequence[SyntheticRow],
    folder: Path,
    summarise: Callable[[str], SyntheticSummary],
    card: Callable[[SyntheticSummary], str],
) -> SyntheticSummary:
    """Write the folder, all of it or nothing.

    summarise: makes the summary from the Parquet file's sha256. card: makes the text of README.md from the summary. Raises
    UsageError where the folder exists, OutgrowError where it cannot be written.
    """
    require_new(folder)
    try:
        with new_folder(folder) as unfinished:
            (unfinished / PARQUET).parent.mkdir()
            with pq.ParquetWriter(unfinished / PARQUET, _SCHEMA, compression="zstd") as writer:
                for start in range(0, len(rows), _GROUP_ROWS):
                    part = [{**asdict(row), "verdict": str(row.verdict)} for row in rows[start : start + _GROUP_ROWS]]
                    writer.write_table(pa.Table.from_pylist(part, _SCHEMA))
            with (unfinished / PARQUET).open("rb") as file:
                summary = summarise(hashlib.file_digest(file, "sha256").hexdigest())
            (unfinished / "README.md").write_text(card(summary), encoding="utf-8")
            write_summary(unfinished, summary)
    except (OSError, pa.ArrowException) as error:
        raise OutgrowError(f"{folder}: cannot be written ({getattr(error, 'strerror', None) or error})") from error
    return summary
