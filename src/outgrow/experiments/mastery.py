"""Problems that were mastered in a run, and those of them that failed later."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..types import Visit

_VISITS_IN_A_ROW = 2  # all right, as the sampler `frontier` retires a problem by default


@dataclass
class Mastery:
    """Ids of problems."""

    mastered: set[str] = field(default_factory=set)
    visited_again: set[str] = field(default_factory=set)
    """Mastered problems with a later visit."""
    failed: set[str] = field(default_factory=set)
    """Mastered problems with a wrong answer at a later visit."""


def mastery(visits: Iterable[Visit]) -> Mastery:
    """Return which problems were mastered, visited again and failed. visits: in the order in which they were made."""
    problems = Mastery()
    streaks: dict[str, int] = {}
    for visit in visits:
        if visit.problem_id in problems.mastered:
            problems.visited_again.add(visit.problem_id)
            if visit.right < visit.n:
                problems.failed.add(visit.problem_id)
        streak = streaks[visit.problem_id] = streaks.get(visit.problem_id, 0) + 1 if visit.right == visit.n else 0
        if streak >= _VISITS_IN_A_ROW:
            problems.mastered.add(visit.problem_id)
    return problems
