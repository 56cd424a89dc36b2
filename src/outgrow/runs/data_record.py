"""The data of a run as it was when the run began: a digest of every problem, so that a resumed run can say what has changed."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from ..config import Recipe
from ..core.errors import OutgrowError
from ..core.files import write_atomic
from ..core.parquet import read_parquet
from ..core.registry import Component
from ..types import Problem

Digests = dict[str, dict[str, str]]
"""Part of the data, such as "evaluate.suite micro" -> row, such as a problem's id -> digest of its content."""

VERDICTS = "verdicts on known answers"
"""The part with what the verifier says, in place of digests."""

_DIGITS = 16  # hexadecimal digits of a digest: a change is missed once in 10^19 rows


def digests_of(
    recipe: Recipe, practised: Sequence[Sequence[Problem]], suites: Mapping[str, Sequence[Problem]], verdicts: Mapping[str, str]
) -> Digests:
    """Return the digests of everything a run reads, and what its verifier says.

    practised: the problems of each source of the recipe. suites: name of a suite -> its problems. verdicts: see
    `train.job.Job.known_verdicts`.
    """
    parts: Digests = {}
    for number, (source, problems) in enumerate(zip(recipe.problems, practised, strict=True), 1):
        parts[f"[[problems]] number {number} ({source.type})"] = _rows(problems)
    parts |= {f"suite {name}": _rows(problems) for name, problems in suites.items()}
    for component in _from_outside(recipe):
        file = component.code_file()
        if file is not None:
            parts[f"code of {component.type}"] = {file.name: _digest(file.read_bytes())}
    return {**parts, VERDICTS: dict(verdicts)}


def changes(old: Digests, new: Digests) -> list[str]:
    """Return a line about each part that has changed: rows (or files of code) added, removed and changed, with an example.

    A part that only one of the two has was added or dropped by a change of settings, and is not told here; nor is a known answer.

    >>> changes({"suite a": {"x": "1", "y": "2"}}, {"suite a": {"x": "3", "z": "4"}})
    ["suite a: 1 added ('z'), 1 removed ('y'), 1 changed ('x')"]
    """
    lines = []
    for part in old.keys() & new.keys():
        before, now = old[part], new[part]
        groups = {
            "added": [row for row in now if row not in before and part != VERDICTS],
            "removed": [row for row in before if row not in now and part != VERDICTS],
            "changed": [row for row in now if row in before and now[row] != before[row]],
        }
        told = [f"{len(rows):,} {what} ({rows[0]!r})" for what, rows in groups.items() if rows]
        if told:
            lines.append(f"{part}: {', '.join(told)}")
    return sorted(lines)


def write_digests(file: Path, parts: Digests) -> None:
    """Write digests as Parquet, atomically."""
    rows = [{"part": part, "row": row, "digest": digest} for part, found in parts.items() for row, digest in found.items()]
    schema = pa.schema([("part", pa.string()), ("row", pa.string()), ("digest", pa.string())])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, compression="zstd")
    write_atomic(file, sink.getvalue().to_pybytes())


def read_digests(file: Path) -> Digests:
    """Return what `write_digests` wrote. Raises OutgrowError where it cannot be read."""
    parts: Digests = {}
    try:
        for row in read_parquet(file).to_pylist():
            parts.setdefault(row["part"], {})[row["row"]] = row["digest"]
    except (OSError, pa.ArrowException, KeyError) as error:
        raise OutgrowError(f"{file}: cannot read the record of this run's data ({error})") from error
    return parts


def _rows(problems: Sequence[Problem]) -> dict[str, str]:
    rows: dict[str, str] = {}
    for problem in problems:  # an id may come twice: then its digest is that of both
        rows[problem.id] = _digest((rows.get(problem.id, "") + _content(problem)).encode())
    return rows


def _content(problem: Problem) -> str:
    """Return a problem's content as text, without fields at their default, so that a new field changes no digest."""
    values = {field.name: getattr(problem, field.name) for field in fields(problem)}
    return json.dumps(
        {field.name: values[field.name] for field in fields(problem) if values[field.name] != field.default}, default=asdict
    )


def _from_outside(value: Any) -> Iterator[Component]:
    """Yield the components of a recipe whose code is not part of the package."""
    if isinstance(value, Component) and ":" in value.type:
        yield value
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _from_outside(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from _from_outside(item)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
