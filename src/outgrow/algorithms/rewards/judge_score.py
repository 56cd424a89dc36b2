"""The judge's score as it is: a policy then learns to please the judge."""

from typing import ClassVar

from ...types import GradedGroup
from .base import Reward


class JudgeScore(Reward):
    """The score, from 0 to 1, right or wrong.

    As the only reward it gets hacked (docs/lab/teacher.md). Together with accuracy it can still outvote the checker; `hero` cannot.
    """

    needs_judge: ClassVar[bool] = True

    type: str = "judge_score"

    def compute(self, group: GradedGroup) -> list[float]:
        return list(group.scores)
