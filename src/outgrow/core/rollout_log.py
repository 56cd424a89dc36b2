"""Rollouts on disk, a row a rollout: a Parquet file a step, and 100 steps in one file once they are done.

step-000101.parquet            a step
steps-000001-000100.parquet    a block: a row group a step, so that one step is read without the others

A step of a block may also have a file of its own, after a kill; both hold the same rows.
"""

import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import UsageError, reason
from .files import parse_json, write_atomic
from .parquet import open_parquet, read_parquet, read_rows

BLOCK = 100
"""Steps of a block."""
_LARGEST_BLOCK = 64 * 2**20  # bytes; larger parts stay as they are, since merging holds a block in memory
_NAME = re.compile(r"steps?-(\d+)(?:-(\d+))?\.parquet")
_STEPS = b"outgrow.steps"  # metadata of a block: the step of each row group
_TEXT = ("problem_id", "field", "question", "completion", "verdict", "extracted", "answer")
_COUNTS = ("step", "level", "sample", "length")


class Part(NamedTuple):
    """A file of rollouts, of the steps `first` to `last`."""

    path: Path
    first: int
    last: int

    @property
    def is_block(self) -> bool:
        """Whether it is a block, with a row group a step."""
        return self.path.name.startswith("steps-")


def rollouts_folder(run: Path) -> Path:
    """Return the folder of a run's parts."""
    return run / "rollouts"


def list_parts(run: Path) -> list[Part]:
    """Return the files that hold every step of a run once, in order; none where there is no folder."""
    folder = rollouts_folder(run)
    parts = [Part(folder / name, first, last) for name, first, last in _parts(run)]
    in_blocks = {step for part in parts if part.is_block for step in range(part.first, part.last + 1)}
    return [part for part in parts if part.is_block or part.first not in in_blocks]


def write_part(run: Path, step: int, rows: list[dict[str, Any]]) -> None:
    """Write the rows of one step; steps come in order. After every BLOCK steps their files become one."""
    folder = rollouts_folder(run)
    folder.mkdir(exist_ok=True)
    _write(_file(folder, step), [_table(rows)], {})
    if step % BLOCK == 0:
        _merge(folder, range(step - BLOCK + 1, step + 1))


def drop_parts_after(run: Path, step: int) -> None:
    """Remove the rows of later steps."""
    folder = rollouts_folder(run)
    for part in (Part(folder / name, first, last) for name, first, last in _parts(run)):
        if part.first <= step < part.last:  # the steps that stay get their own files back
            with open_parquet(part.path) as file:
                for place, kept in enumerate(_steps_of(file)):
                    if kept <= step:
                        rows = read_rows(file, part.path, row_groups=[place])
                        _write(_file(folder, kept), [rows.replace_schema_metadata(None)], {})
        if part.last > step:
            part.path.unlink()


def count_steps(run: Path, step: int) -> int:
    """Return the number of steps through `step` that have rollouts. Raises ArrowInvalid where a file is damaged."""
    count = 0
    for part in list_parts(run):
        if part.is_block and part.first <= step:
            with open_parquet(part.path) as file:
                count += sum(kept <= step for kept in _steps_of(file))
        else:
            count += part.first <= step
    return count


def read_part(run: Path, step: int) -> list[dict[str, Any]]:
    """Return the rows of one step. Raises OSError or pyarrow's errors where they cannot be read."""
    folder = rollouts_folder(run)
    try:
        return list(read_parquet(_file(folder, step)).to_pylist())
    except FileNotFoundError:
        first = (step - 1) // BLOCK * BLOCK + 1
        path = _block(folder, range(first, first + BLOCK))
        with open_parquet(path) as file:
            steps = _steps_of(file)
            if step not in steps:
                raise
            return list(read_rows(file, path, row_groups=[steps.index(step)]).to_pylist())


def read_parts(run: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield these columns of the rows of all steps, in order. Raises UsageError where there are no rollouts that can be read."""
    parts = list_parts(run)
    if not parts:
        raise UsageError(f"{run} has no rollouts; it needs a run of reinforcement learning")
    for part in parts:
        try:
            with open_parquet(part.path) as file:
                for place in range(file.num_row_groups):
                    yield from read_rows(file, part.path, columns, row_groups=[place]).to_pylist()
        except (OSError, pa.ArrowException, KeyError) as error:
            raise UsageError(f"{part.path}: cannot read these rollouts ({reason(error)})") from error


def _parts(run: Path) -> list[tuple[str, int, int]]:
    """Return (name, first step, last step) of every file, in order of steps. A block of another size is not one."""
    try:
        names = [entry.name for entry in rollouts_folder(run).iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    matches = [match for name in names if (match := _NAME.fullmatch(name))]
    parts = [(match[0], int(match[1]), int(match[2] or match[1])) for match in matches]
    return sorted((part for part in parts if 0 <= part[2] - part[1] < BLOCK), key=lambda part: part[1:])


def _merge(folder: Path, steps: range) -> None:
    """Make one file of the files of these steps. Files that cannot be read together, or are large, stay as they are."""
    files = {step: file for step in steps if (file := _file(folder, step)).exists()}
    if sum(file.stat().st_size for file in files.values()) > _LARGEST_BLOCK:
        return
    try:
        tables = [read_parquet(file) for file in files.values()]
        schema = pa.unify_schemas([table.schema for table in tables], promote_options="permissive")
        tables = [_as(table, schema) for table in tables]
    except pa.ArrowException:
        return
    _write(_block(folder, steps), tables, {_STEPS: json.dumps(list(files)).encode()})
    for file in files.values():
        file.unlink()


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table with these columns, null where it has none of a name."""
    columns = [
        table[field.name].cast(field.type) if field.name in table.schema.names else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return rows as a table whose types do not depend on the values of a step (which may be whole numbers only, or missing)."""
    return pa.table({name: pa.array([row.get(name) for row in rows], _type(name)) for name in (rows[0] if rows else ())})


def _type(name: str) -> pa.DataType | None:
    if name in _TEXT:
        return pa.string()
    if name in _COUNTS:
        return pa.int64()
    return pa.float64() if name.startswith("reward") or name in ("score", "advantage") else None


def _write(path: Path, tables: Sequence[pa.Table], metadata: dict[bytes, bytes]) -> None:
    """Write each table as a row group."""
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, tables[0].schema.with_metadata(metadata), compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.replace_schema_metadata(metadata), row_group_size=max(1, len(table)))
    write_atomic(path, buffer.getvalue())


def _steps_of(file: pq.ParquetFile) -> list[int]:
    """Return the step of each row group of a block. Raises ArrowInvalid where the file does not say it."""
    try:
        steps = parse_json((file.schema_arrow.metadata or {})[_STEPS])
        if len(steps) == file.num_row_groups:
            return [int(step) for step in steps]
    except (ValueError, LookupError, TypeError):
        pass
    raise pa.ArrowInvalid("not a block of rollouts: it does not say the step of each row group")


def _file(folder: Path, step: int) -> Path:
    return folder / f"step-{step:06d}.parquet"


def _block(folder: Path, steps: range) -> Path:
    return folder / f"steps-{steps[0]:06d}-{steps[-1]:06d}.parquet"
