"""The fate of each practised problem: kept, learned, forgotten, relearned or never, with the steps of its turns."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..evaluate.statistics import wilson_ci95
from .visit_table import VisitTable

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


def journeys(visits: VisitTable) -> list[Journey]:
    """Return the journeys of all problems, in the order of their first visits. visits: the oldest first.

    A visit shows a problem as solved where the 95% interval of its pass rate lies above one half (7 of 8, 4 of 4), as not solved
    where it lies below. For a problem that is right half of the time, one visit of 8 rollouts in 14 shows either by chance.
    """
    if not len(visits):
        return []
    order = np.argsort(visits.problem, kind="stable")
    problem, step = visits.problem[order], visits.step[order]
    shown = _shown(visits.right, visits.n)[order]
    told = np.flatnonzero(shown)  # the visits that show anything
    earlier = told[:-1]
    turned = np.ones(len(told), dtype=bool)  # against the visit before that showed something of the same problem
    turned[1:] = (problem[told[1:]] != problem[earlier]) | (shown[told[1:]] != shown[earlier])
    turns: dict[int, list[Turn]] = {}
    for place in told[turned].tolist():
        turns.setdefault(int(problem[place]), []).append(Turn(int(step[place]), bool(shown[place] > 0)))
    met, first, counts = np.unique(visits.problem, return_index=True, return_counts=True)
    listed = sorted(zip(first.tolist(), met.tolist(), counts.tolist(), strict=True))
    return [Journey(visits.problem_ids[code], int(visits.step[place]), count, turns.get(code, [])) for place, code, count in listed]


def _shown(right: NDArray[np.int32], n: NDArray[np.int32]) -> NDArray[np.int8]:
    """Return 1 where a visit shows its problem as solved, -1 where it shows the contrary, 0 where it shows neither."""
    size = int(n.max(initial=0)) + 1
    pairs, where = np.unique(right.astype(np.int64) * size + n, return_inverse=True)
    known = [0 if (solved := _solved(*divmod(pair, size))) is None else 1 if solved else -1 for pair in pairs.tolist()]
    return np.array(known, dtype=np.int8)[where]


@lru_cache
def _solved(right: int, n: int) -> bool | None:
    low, high = wilson_ci95(right, n)
    return True if low > 0.5 else False if high < 0.5 else None
