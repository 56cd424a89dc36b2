"""The judge's score as it is: what is learned then is to please the judge."""

from typing import ClassVar

from ...types import GradedGroup
from .base import Reward


class JudgeScore(Reward):
    """The score, from 0 to 1, right or wrong. Alone it is the reward that gets hacked; beside accuracy it can still out-vote the
    checker; see `hero` for what cannot."""

    needs_judge: ClassVar[bool] = True

    type: str = "judge_score"

    def compute(self, group: GradedGroup) -> list[float]:
        return list(group.scores)
