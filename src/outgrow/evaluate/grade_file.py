"""Grading outputs made elsewhere: a JSONL or Parquet file in, the same rows with `verdict` and `extracted` out."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.errors import OutgrowError, UsageError, nearest
from ..core.files import write_atomic
from ..problems.rows import file_rows
from ..types import Verdict
from ..verify import Attempt, Verifier


def grade_file(file: Path, output: str, answer: str, extract: Sequence[str], out: Path | None) -> Counter[Verdict]:
    """Grade each row of `file`, write the graded rows to `out` (whole, or not at all), and count the verdicts.

    output, answer: the columns that hold what a model wrote and the known answer (text, or a number).
    Raises UsageError where the file, a row or a column cannot be read, naming the line.
    """
    rows = list(file_rows(file))
    if not rows:
        raise UsageError(f"{file}: the file has no rows")
    attempts = [Attempt(_text(where, row, output), _text(where, row, answer)) for where, row in rows]
    with Verifier(extract) as verifier:
        graded = verifier.grade(attempts)
    if out is not None:
        lines = [
            json.dumps({**row, "verdict": str(grade.verdict), "extracted": grade.extracted}, default=str) + "\n"
            for (_, row), grade in zip(rows, graded, strict=True)
        ]
        try:
            write_atomic(out, "".join(lines).encode())
        except OSError as error:
            raise OutgrowError(f"{out}: cannot write the graded rows ({error.strerror})") from error
    return Counter(grade.verdict for grade in graded)


def _text(where: str, row: dict[str, Any], column: str) -> str:
    if column not in row:
        raise UsageError(f"{where}: no column {column!r}{nearest(column, list(row))}")
    value = row[column]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{where}: column {column!r} holds {json.dumps(value)[:40]}, not a text or a number")
    return str(value)
