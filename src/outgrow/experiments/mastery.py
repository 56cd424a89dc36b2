"""Which problems were mastered in a run, and which of these failed later."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ..types import Visit

_IN_A_ROW = 2  # visits all right, as the sampler `frontier` retires by default


@dataclass
class Mastery:
    """Ids of problems. visited_again: mastered ones with a later visit. failed: those of them with a wrong answer in one."""

    mastered: set[str] = field(default_factory=set)
    visited_again: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


def mastery(visits: Iterable[Visit]) -> Mastery:
    """Of visits in their order."""
    found = Mastery()
    streaks: dict[str, int] = {}
    for visit in visits:
        if visit.problem_id in found.mastered:
            found.visited_again.add(visit.problem_id)
            if visit.right < visit.n:
                found.failed.add(visit.problem_id)
        streak = streaks[visit.problem_id] = streaks.get(visit.problem_id, 0) + 1 if visit.right == visit.n else 0
        if streak >= _IN_A_ROW:
            found.mastered.add(visit.problem_id)
    return found
