"""Grading outputs made elsewhere: a table in, the same rows with `verdict` and `extracted` out."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.callbacks import Answering, OnWritten, Written, unwatched
from ..core.errors import OutgrowError, UsageError
from ..core.files import write_atomic
from ..problems.cell import Unusable
from ..problems.columns import value_at
from ..problems.known_answer import known_answer
from ..problems.rows import file_rows
from ..types import Graded, Verdict
from ..verify import Attempt, Verifier
from ..verify.auto import WAYS
from ..verify.extract import after_thinking, extract

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
    file: Path, output: str, answer: str, extractors: Sequence[str], out: Path | None, answering: Answering = unwatched
) -> GradedFile:
    """Grade each row of `file` and write the graded rows to `out` (whole, or not at all).

    output, answer: the columns that hold what a model wrote and the known answer, by name or by path.
    answering: told how many are graded.
    Raises UsageError where the file, a row or a column cannot be read, naming the line.
    """
    rows = list(file_rows(file))
    if not rows:
        raise UsageError(f"{file}: the file has no rows")
    attempts = [_attempt(where, row, output, answer) for where, row in rows]
    with Verifier(extractors) as verifier:
        graded = _grade(verifier, attempts, answering(f"grading {file.name}", len(attempts)))
    if out is not None:
        lines = [
            json.dumps({**row, "verdict": str(grade.verdict), "extracted": grade.extracted}, default=str) + "\n"
            for (_, row), grade in zip(rows, graded, strict=True)
        ]
        try:
            write_atomic(out, "".join(lines).encode())
        except OSError as error:
            raise OutgrowError(f"{out}: cannot write the graded rows ({error.strerror})") from error
    outputs = [GradedOutput(attempt.text, attempt.answer, grade.verdict) for attempt, grade in zip(attempts, graded, strict=True)]
    return GradedFile(outputs, tuple(extractors))


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

    A text that holds no known answer becomes an empty one, so that the verifier counts the row as failed.
    """
    text, known = value_at(row, output, where), value_at(row, answer, where)
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise UsageError(f"{where}: column {output!r} holds {_shown(text)}, not a text or a number")
    try:
        answers = known_answer(known)
    except Unusable as reason:
        if isinstance(known, str):
            return Attempt(str(text), "")
        raise UsageError(f"{where}: column {answer!r} holds {_shown(known)}, not a known answer ({reason})") from reason
    return Attempt(str(text), answers.answer, alternatives=answers.alternatives)


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)[:40]
