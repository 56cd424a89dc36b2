"""What a source keeps of the rows that it read: each question once, with an answer that rows agree on."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ..core.callbacks import Warn
from ..core.counted import counted
from ..core.errors import UsageError
from ..types import Problem
from ..verify.comparison.compare import same
from .cell import Unusable
from .formats import Row

_PLACES = 3  # rows named in a warning


class Skipped(NamedTuple):
    """A row without a problem in it."""

    reason: str


Read = tuple[str, Problem | Skipped]
"""Where a row stands, for warnings, and what it holds."""


def read_rows(rows: Iterable[Row], problem_of: Callable[[dict[str, Any], str], Problem]) -> Iterator[Read]:
    """Yield what each row holds. problem_of: takes a row and where it stands; raises Unusable where it has no problem in it."""
    for where, row in rows:
        try:
            yield where, problem_of(row, where)
        except Unusable as reason:
            yield where, Skipped(str(reason))


def collect(name: str, read: Iterable[Read], warn: Warn) -> list[Problem]:
    """Return the problems, each question once, in the order of the rows. Warns of what is skipped, one line a kind.

    A question that comes again with an equal answer is a repeat: the first row counts. With another answer it contradicts: the
    question is dropped. Raises UsageError where nothing remains.
    """
    rows: dict[str, list[tuple[str, Problem]]] = {}
    skipped: list[tuple[str, str]] = []
    for where, item in read:
        if isinstance(item, Skipped):
            skipped.append((where, item.reason))
        else:
            rows.setdefault(item.id, []).append((where, item))
    contradicted = _contradicted({id: [problem for _, problem in several] for id, several in rows.items() if len(several) > 1})
    repeats = [where for id, several in rows.items() if id not in contradicted for where, _ in several[1:]]
    against = [where for id, several in rows.items() if id in contradicted for where, _ in several]
    if skipped:
        warn(skipped_rows(name, skipped))
    if repeats:
        repeated = f"{counted(len(repeats), 'row')} that {'repeat' if repeats[1:] else 'repeats'} a question and its answer"
        warn(f"{name}: skipped {repeated}{_places(repeats)}")
    if against:
        questions = counted(len(contradicted), "question")
        warn(f"{name}: dropped {questions} whose {len(against):,} rows give different answers{_places(against)}")
    problems = [several[0][1] for id, several in rows.items() if id not in contradicted]
    if not problems:
        raise UsageError(f"{name}: no problem with a question and a known answer in it{_why(skipped)}")
    return problems


def skipped_rows(name: str, skipped: Sequence[tuple[str, str]], without: str = "a question or a known answer") -> str:
    """Return a line that counts rows by the reason why they were skipped. skipped: where a row stands, and the reason."""
    reasons = Counter(reason for _, reason in skipped).most_common()
    listed = ", ".join(f"{reason} ({count:,})" for reason, count in reasons)
    places = _places(where for where, _ in skipped)
    return f"{name}: skipped {counted(len(skipped), 'row')} without {without}: {listed}{places}"


def _places(rows: Iterable[str]) -> str:
    places = list(rows)
    numbers: dict[str, list[str]] = {}  # "own.jsonl, line" -> its numbers
    for place in places[:_PLACES]:
        before, _, number = place.rpartition(" ")
        numbers.setdefault(before, []).append(number)
    listed = "; ".join(f"{before}{'s' * (len(several) > 1)} {', '.join(several)}" for before, several in numbers.items())
    rest = f" and {len(places) - _PLACES:,} more" if len(places) > _PLACES else ""
    return f" ({listed}{rest})"


def _why(skipped: list[tuple[str, str]]) -> str:
    return f"; of {skipped[0][0]} the answer or question is: {skipped[0][1]}" if skipped else ""


def _contradicted(repeated: dict[str, list[Problem]]) -> set[str]:
    """Return the ids whose problems do not all agree with the first one. repeated: id -> its problems, two or more."""
    return {id for id, (first, *others) in repeated.items() if not all(_agree(first, other) for other in others)}


def _agree(problem: Problem, other: Problem) -> bool:
    """Return whether the two have an answer in common."""
    return any(same(known, answer) for known in _answers(problem) for answer in _answers(other))


def _answers(problem: Problem) -> tuple[str, ...]:
    return (problem.answer, *problem.alternatives)
