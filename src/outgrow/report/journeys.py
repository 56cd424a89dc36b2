"""The fate of each practised problem: kept, learned, forgotten, relearned or never, with the steps of its turns."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ..evaluate.statistics import wilson_ci95
from ..types import Visit

Fate = Literal["kept", "learned", "forgotten", "relearned", "never", "undecided"]
FATES: dict[Fate, str] = {
    "kept": "solved at the first visit, and no later visit shows the contrary",
    "learned": "not solved at first, solved since a later visit",
    "forgotten": "solved once, and not any more",
    "relearned": "solved, then not, and solved again",
    "never": "not solved at any visit",
    "undecided": "no visit shows it, or there was only one",
}


@dataclass(frozen=True)
class Turn:
    """A visit that shows a problem to be solved (or not), where the visits before showed the contrary."""

    step: int
    solved: bool


@dataclass(frozen=True)
class Journey:
    """The visits of one problem in training."""

    problem_id: str
    first_step: int
    visits: int
    turns: list[Turn]
    """The first visit that shows anything, and every change after it."""

    @property
    def fate(self) -> Fate:
        """The problem's fate over the run."""
        turns = self.turns
        if self.visits < 2 or not turns:
            return "undecided"
        if not any(turn.solved for turn in turns):
            return "never"
        if not turns[-1].solved:
            return "forgotten"
        if any(turn.solved for turn in turns[:-1]):
            return "relearned"
        return "learned" if len(turns) > 1 or turns[0].step > self.first_step else "kept"


def journeys(visits: Iterable[Visit]) -> list[Journey]:
    """Return the journeys of all problems, in the order of their first visits. visits: oldest first.

    A visit shows a problem as solved where the 95% interval of its pass rate lies above one half (7 of 8, 4 of 4), as not solved
    where it lies below. For a problem that is right half of the time, one visit of 8 rollouts in 14 shows either by chance.
    """
    first: dict[str, int] = {}
    counts: Counter[str] = Counter()
    turns: dict[str, list[Turn]] = {}
    for visit in visits:
        first.setdefault(visit.problem_id, visit.step)
        counts[visit.problem_id] += 1
        solved, so_far = _solved(visit.right, visit.n), turns.setdefault(visit.problem_id, [])
        if solved is not None and (not so_far or so_far[-1].solved is not solved):
            so_far.append(Turn(visit.step, solved))
    return [Journey(problem, first[problem], counts[problem], turns[problem]) for problem in first]


@lru_cache
def _solved(right: int, n: int) -> bool | None:
    low, high = wilson_ci95(right, n)
    return True if low > 0.5 else False if high < 0.5 else None
