"""Grading outputs made elsewhere: a table in, the same rows with `verdict` and `extracted` out."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.callbacks import Answering, OnWritten, Warn, Written, quiet, unwatched
from ..core.errors import OutgrowError, UsageError
from ..core.files import write_atomic
from ..problems.cell import Unusable, cell_text, plain
from ..problems.collect import skipped_rows
from ..problems.columns import value_at
from ..problems.known_answer import known_answer
from ..problems.rows import file_rows
from ..types import Graded, Verdict
from ..verify import Attempt, Verifier
from ..verify.extraction.auto import WAYS
from ..verify.extraction.extract import after_thinking, extract

_AT_ONCE = 1000  # outputs between two looks at how far it is


@dataclass(frozen=True)
class GradedOutput:
    """A row's output, with its verdict."""

    text: str
    answer: str
    verdict: Verdict


@dataclass(frozen=True)
class GradedFile:
    """The graded outputs of a file, in its order."""

    outputs: list[GradedOutput]
    extractors: tuple[str, ...]

    def verdicts(self) -> Counter[Verdict]:
        """Return how many outputs have each verdict."""
        return Counter(output.verdict for output in self.outputs)

    def found_by(self) -> dict[str, int]:
        """Return how many answers each extractor found; `auto` is counted by the ways that it took."""
        ways = [way for name in self.extractors for way in (WAYS if name == "auto" else (name,))]
        parts = (after_thinking(output.text, False) for output in self.outputs)
        answers = (extract(part, self.extractors) for part in parts if part is not None)
        counts = Counter(answer.extractor for answer in answers if answer is not None)
        return {way: counts[way] for way in dict.fromkeys(ways)}


def grade_file(
    file: Path,
    output: str,
    answer: str,
    extractors: Sequence[str],
    out: Path | None,
    answering: Answering = unwatched,
    warn: Warn = quiet,
) -> GradedFile:
    """Grade each row of `file` and write all rows to `out` (whole, or not at all).

    output, answer: the columns that hold what a model wrote and the known answer, by name or by path.
    answering: told how many are graded. warn: takes the number of rows that are skipped, by reason; their verdict in `out` is
    "skipped".
    Raises UsageError where the file or a column cannot be read, naming the line, and where no row can be graded.
    """
    rows = list(file_rows(file))
    if not rows:
        raise UsageError(f"{file}: the file has no rows")
    attempts: dict[int, Attempt] = {}  # place of the row -> what is graded
    skipped: list[tuple[str, str]] = []
    for place, (where, row) in enumerate(rows):
        try:
            attempts[place] = _attempt(where, row, output, answer)
        except Unusable as reason:
            skipped.append((where, str(reason)))
    if not attempts:
        raise UsageError(f"{file}: no row with an output and a known answer; the first, {skipped[0][0]}: {skipped[0][1]}")
    if skipped:
        warn(skipped_rows(file.name, skipped, "an output or a known answer"))
    with Verifier(extractors) as verifier:
        grades = _grade(verifier, list(attempts.values()), answering(f"grading {file.name}", len(attempts)))
    if out is not None:
        _write(out, [row for _, row in rows], dict(zip(attempts, grades, strict=True)))
    outputs = [
        GradedOutput(attempt.text, attempt.answer, grade.verdict) for attempt, grade in zip(attempts.values(), grades, strict=True)
    ]
    return GradedFile(outputs, tuple(extractors))


def _write(out: Path, rows: Sequence[dict[str, Any]], grades: dict[int, Graded]) -> None:
    """Write JSON lines. grades: of the rows at these places; the others were skipped."""
    lines = []
    for place, row in enumerate(rows):
        grade = grades.get(place)
        verdict, extracted = (str(grade.verdict), grade.extracted) if grade else ("skipped", None)
        lines.append(json.dumps({**row, "verdict": verdict, "extracted": extracted}, default=str) + "\n")
    try:
        write_atomic(out, "".join(lines).encode())
    except OSError as error:
        raise OutgrowError(f"{out}: cannot write the graded rows ({error.strerror})") from error


def _grade(verifier: Verifier, attempts: Sequence[Attempt], on_graded: OnWritten) -> list[Graded]:
    """Return the verdicts. on_graded: told how many there are."""
    graded: list[Graded] = []

    def tell() -> None:
        on_graded(Written(len(graded)))

    for start in range(0, len(attempts), _AT_ONCE):
        graded += verifier.grade(attempts[start : start + _AT_ONCE], check_stop=tell)
        tell()
    return graded


def _attempt(where: str, row: dict[str, Any], output: str, answer: str) -> Attempt:
    """Return a row's output, and the known answer as a problem's is read (see `known_answer`).

    Raises Unusable, naming the column, where the known answer is missing or the output is not a text.
    """
    text, known = value_at(row, output, where), value_at(row, answer, where)
    try:
        answers = known_answer(known)
    except Unusable as reason:
        raise Unusable(f"{reason} in {answer!r}") from reason
    try:
        return Attempt(_text(text), answers.answer, alternatives=answers.alternatives)
    except Unusable as reason:
        raise Unusable(f"{reason} in {output!r}") from reason


def _text(value: object) -> str:
    """Return an output as text; an empty one, which holds no answer, for null and NaN. Raises Unusable as `cell_text` does."""
    value = plain(value)
    if isinstance(value, str):
        return value
    return "" if value is None or value != value else cell_text(value)
