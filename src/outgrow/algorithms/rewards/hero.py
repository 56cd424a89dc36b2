"""HERO (arXiv 2510.07242, section 3): a judge's scores inside each verdict, so that a judge can never outvote the checker."""

from typing import ClassVar

from pydantic import Field

from ...types import GradedGroup
from .base import Reward


class Hero(Reward):
    """Scores min–max scaled over the group's wrong answers into [−alpha, alpha], over its right ones into [1 − beta, 1 + beta].

    Any right answer pays more than any wrong one, and a group with only one verdict still has different rewards. Where the scores
    of a verdict are all the same, its answers pay the middle (the paper's formula gives the lower end). The paper also weighs
    prompts by the spread of their scores; a group's normalisation would cancel that, so it is not here.
    """

    needs_judge: ClassVar[bool] = True

    type: str = "hero"
    alpha: float = Field(default=0.1, ge=0, lt=0.5, description="Half the width of the band of rewards of wrong answers, around 0.")
    beta: float = Field(default=0.1, ge=0, lt=0.5, description="Half the width of the band of rewards of right answers, around 1.")

    def compute(self, group: GradedGroup) -> list[float]:
        right = [grade.right for grade in group.graded]
        bands = {False: (0.0, self.alpha), True: (1.0, self.beta)}
        ends: dict[bool, tuple[float, float]] = {}
        for score, good in zip(group.scores, right, strict=True):
            low, high = ends.get(good, (score, score))
            ends[good] = min(low, score), max(high, score)
        return [_scaled(score, *ends[good], *bands[good]) for score, good in zip(group.scores, right, strict=True)]


def _scaled(score: float, low: float, high: float, middle: float, spread: float) -> float:
    """Return the score mapped from [low, high] to [middle − spread, middle + spread]."""
    return middle + spread * (2 * (score - low) / (high - low) - 1) if high > low else middle
