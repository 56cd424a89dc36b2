"""Accuracy: 1 for a right answer, 0 for any other."""

from ...types import GradedGroup
from .base import Reward


class Accuracy(Reward):
    """Binary reward on the verdict."""

    type: str = "accuracy"

    def compute(self, group: GradedGroup) -> list[float]:
        return [float(grade.right) for grade in group.graded]
