"""Rollouts on disk: one Parquet part a step, a row a rollout."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import UsageError, reason
from .files import write_atomic
from .parquet import read_parquet


def rollouts_folder(run: Path) -> Path:
    """Return the folder of a run's parts."""
    return run / "rollouts"


def write_part(run: Path, step: int, rows: list[dict[str, Any]]) -> None:
    """Write the part of one step."""
    folder = rollouts_folder(run)
    folder.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, compression="zstd")
    write_atomic(_part(folder, step), buffer.getvalue())


def drop_parts_after(run: Path, step: int) -> None:
    """Remove the parts of later steps."""
    for path in rollouts_folder(run).glob("step-*.parquet"):
        if int(path.stem.removeprefix("step-")) > step:
            path.unlink()


def read_part(run: Path, step: int) -> list[dict[str, Any]]:
    """Return the rows of one step."""
    return list(read_parquet(_part(rollouts_folder(run), step)).to_pylist())


def read_parts(run: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield these columns of the rows of all steps, in order. Raises UsageError where there are no rollouts that can be read."""
    parts = sorted(rollouts_folder(run).glob("step-*.parquet"))
    if not parts:
        raise UsageError(f"{run} has no rollouts; it needs a run of reinforcement learning")
    for part in parts:
        try:
            yield from read_parquet(part, columns).to_pylist()
        except (OSError, pa.ArrowException, KeyError) as error:
            raise UsageError(f"{part}: cannot read these rollouts ({reason(error)})") from error


def _part(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.parquet"
