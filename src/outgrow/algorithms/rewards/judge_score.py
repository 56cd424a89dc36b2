"""The teacher's score as it is: what is learned then is to please the teacher."""

from typing import ClassVar

from ...types import GradedGroup
from .base import Reward


class JudgeScore(Reward):
    """The score, from 0 to 1, right or wrong. Alone it is the reward that gets hacked; beside accuracy it can still out-vote the
    checker; see `hero` for what cannot."""

    needs_teacher: ClassVar[bool] = True

    type: str = "teacher"

    def pay(self, group: GradedGroup) -> list[float]:
        return list(group.scores)
