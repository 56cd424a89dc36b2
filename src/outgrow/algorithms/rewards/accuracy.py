"""1 for a right answer, 0 for anything else."""

from .base import GradedGroup, Reward


class Accuracy(Reward):
    """Binary reward on the verdict."""

    type: str = "accuracy"

    def pay(self, group: GradedGroup) -> list[float]:
        return [float(grade.right) for grade in group.graded]
