"""The problems of a run as a list to search: the test problems, before and after, and the practised problems."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ...evaluate import Evaluation
from ..journeys import FATES, journeys
from .rollouts import RolloutIndex, visits_of

TRANSITIONS = {
    "won": "wrong before, right after",
    "lost": "right before, wrong after",
    "kept": "right both times",
    "never": "wrong both times",
}


class ProblemRow(NamedTuple):
    """A problem with its fate."""

    problem_id: str
    field: str
    level: int
    question: str
    answer: str
    turn: str
    """A key of TRANSITIONS for test problems, of FATES for practised ones."""
    first: float | None
    """Pass rate before training, or at the first visit."""
    last: float | None
    """Pass rate after training, or at the last visit."""
    rollouts: int
    """Number of answers."""

    @property
    def change(self) -> float | None:
        """Change of the pass rate."""
        return None if self.first is None or self.last is None else self.last - self.first


def tested(before: Evaluation | None, after: Evaluation | None) -> list[ProblemRow]:
    """Return the test problems. The turn is that of the greedy answer; empty where one side was not measured."""
    sides = [side for side in (before, after) if side]
    if not sides:
        return []
    about = {sample.problem_id: sample for sample in sides[-1].samples}
    first, last = (side.pass_rates() if side else {} for side in (before, after))
    greedy = [side.measures()["greedy"] if side else {} for side in (before, after)]
    rows = []
    for problem_id, sample in about.items():
        right = [side.get(problem_id) for side in greedy]
        turn = "" if None in right else {(0, 1): "won", (1, 0): "lost", (1, 1): "kept", (0, 0): "never"}[right[0], right[1]]  # type: ignore[index]
        rates = first.get(problem_id), last.get(problem_id)
        drawn = sum(side.k + 1 for side in sides)
        rows.append(ProblemRow(problem_id, sample.field, sample.level, sample.question, sample.answer, turn, *rates, drawn))
    return rows


def practised(index: RolloutIndex) -> list[ProblemRow]:
    """Return the practised problems, as far as the index has read."""
    version, groups = index.version, index.groups  # in this order: groups may be newer, never older
    if index.cached and index.cached[0] == version:
        return index.cached[1]
    visits = visits_of(groups, index.problems)
    size = len(index.problems)
    counts = np.bincount(visits.problem, visits.n, minlength=size).astype(int).tolist()
    first, last = (np.zeros(size) for _ in range(2))
    rates = visits.right / np.maximum(visits.n, 1)
    last[visits.problem] = rates  # of several visits the last assignment stays
    first[visits.problem[::-1]] = rates[::-1]
    ends = list(zip(first.tolist(), last.tolist(), strict=True))
    listed = []
    for journey in journeys(visits):
        code = index.code_of(journey.problem_id)
        if code is not None:
            listed.append(ProblemRow(*index.problems[code], journey.fate, *ends[code], counts[code]))
    index.cached = version, listed
    return listed


def search(rows: Iterable[ProblemRow], words: str, field: str, level: str, turn: str) -> list[ProblemRow]:
    """Return the problems with these words in question or answer (in any case), and of this field, level and turn; "" is any."""
    words = words.casefold().strip()
    return [
        row
        for row in rows
        if field in ("", row.field)
        and level in ("", str(row.level))
        and turn in ("", row.turn)
        and (not words or words in row.question.casefold() or words in row.answer.casefold())
    ]


def meaning(of_practised: bool) -> dict[str, str]:
    """Return the possible turns with their meanings, of practised or of test problems."""
    return {str(fate): text for fate, text in FATES.items()} if of_practised else TRANSITIONS


def page_of(count: int, page: int, size: int) -> tuple[int, int]:
    """Return a page's number, brought into range, and the number of pages; both from 1."""
    pages = max(1, -(-count // size))
    return min(max(1, page), pages), pages
