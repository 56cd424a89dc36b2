"""A bonus that grows with the difficulty of the level: the obvious way to pay more for harder problems, and a control."""

from ...types import GradedGroup
from .base import Reward


class LevelBonus(Reward):
    """1 − value of the level to every right answer.

    A group's normalisation cancels it, since it is the same for all right answers of a group: under GRPO it changes nothing but
    an epsilon (docs/lab/dopamine.md). It is here as a control; the advantage `rpe` is not cancelled.
    """

    type: str = "level_bonus"

    def compute(self, group: GradedGroup) -> list[float]:
        return [grade.right * (1 - group.expected.level) for grade in group.graded]
