"""Grading outputs made elsewhere: a JSONL file in, the same rows with `verdict` and `extracted` out."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import OutgrowError, UsageError, nearest
from ..runs.files import write_atomic
from .verdict import Verdict
from .verifier import Attempt, Verifier


def grade_file(file: Path, output: str, answer: str, extract: Sequence[str], out: Path | None) -> Counter[Verdict]:
    """Grade each row of `file`, write the graded rows to `out` (whole, or not at all), and count the verdicts.

    output, answer: the columns that hold what a model wrote and the known answer (text, or a number).
    Raises UsageError where the file, a row or a column is not as it should be, naming the line.
    """
    rows = _read(file)
    attempts = [Attempt(_text(file, line, row, output), _text(file, line, row, answer)) for line, row in rows]
    with Verifier(extract) as verifier:
        graded = verifier.grade(attempts)
    if out is not None:
        lines = [
            json.dumps({**row, "verdict": str(one.verdict), "extracted": one.extracted}) + "\n"
            for (_, row), one in zip(rows, graded, strict=True)
        ]
        try:
            write_atomic(out, "".join(lines).encode())
        except OSError as error:
            raise OutgrowError(f"{out}: cannot write the graded rows ({error.strerror})") from error
    return Counter(one.verdict for one in graded)


def _read(file: Path) -> list[tuple[int, dict[str, Any]]]:
    """(line number, row) of every line that is not blank."""
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"{file}: cannot read this file ({error.strerror})") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{file}, line {number}: not a JSON row ({error})") from error
        if not isinstance(row, dict):
            raise UsageError(f"{file}, line {number}: a row must be a JSON object with named columns")
        rows.append((number, row))
    if not rows:
        raise UsageError(f"{file}: there are no rows in it")
    return rows


def _text(file: Path, line: int, row: dict[str, Any], column: str) -> str:
    if column not in row:
        raise UsageError(f"{file}, line {line}: no column {column!r}{nearest(column, list(row))}")
    value = row[column]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(
            f"{file}, line {line}: column {column!r} holds {json.dumps(value)[:40]}, which is neither text nor a number"
        )
    return str(value)
