"""What became of the problems that were practised: learned, forgotten, relearned, kept, never, each with its step."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ..evaluate.statistics import wilson_ci95
from ..types import Visit

Fate = Literal["kept", "learned", "forgotten", "relearned", "never", "undecided"]
FATES: dict[Fate, str] = {
    "kept": "could at the first visit, and no later one told otherwise",
    "learned": "could not, or not yet, and can since a later visit",
    "forgotten": "could once, and cannot any more",
    "relearned": "could, could not, and can again",
    "never": "could not at any visit",
    "undecided": "no visit tells it apart from a coin, or there was one alone",
}


@dataclass(frozen=True)
class Turn:
    """A visit that told that a problem can be done (or not) where the one before had told otherwise."""

    step: int
    can: bool


@dataclass(frozen=True)
class Journey:
    """One problem's way through training. turns: the first is where it stood when first told."""

    problem_id: str
    first_step: int
    visits: int
    turns: list[Turn]

    @property
    def fate(self) -> Fate:
        """What became of it."""
        turns = self.turns
        if self.visits < 2 or not turns:
            return "undecided"
        if not any(turn.can for turn in turns):
            return "never"
        if not turns[-1].can:
            return "forgotten"
        if any(turn.can for turn in turns[:-1]):
            return "relearned"
        return "learned" if len(turns) > 1 or turns[0].step > self.first_step else "kept"


def journeys(visits: Iterable[Visit]) -> list[Journey]:
    """Of all problems, in the order of their first visits; visits in theirs.

    A visit tells that a problem can be done where the 95% interval of its pass rate lies above one half (7 of 8, 4 of 4), that it
    cannot where it lies below. So of problems that are right half of the time one visit of 8 in 14 tells either, by chance.
    """
    first: dict[str, int] = {}
    counts: Counter[str] = Counter()
    turns: dict[str, list[Turn]] = {}
    for visit in visits:
        first.setdefault(visit.problem_id, visit.step)
        counts[visit.problem_id] += 1
        told, so_far = _told(visit.right, visit.n), turns.setdefault(visit.problem_id, [])
        if told is not None and (not so_far or so_far[-1].can is not told):
            so_far.append(Turn(visit.step, told))
    return [Journey(problem, first[problem], counts[problem], turns[problem]) for problem in first]


@lru_cache
def _told(right: int, n: int) -> bool | None:
    low, high = wilson_ci95(right, n)
    return True if low > 0.5 else False if high < 0.5 else None
