"""Training to reason efficiently (Arora & Zanette, arXiv 2502.04463, section 4): right answers against each other."""

import math
import statistics

from ...types import GradedGroup
from .base import Reward


class LengthEfficient(Reward):
    """−sigmoid((tokens − mean) / deviation) to a right answer, mean and deviation over the group's right answers; 0 to a wrong one.

    Together with accuracy it is the paper's 1[right] · (1 − α · sigmoid(…)), with α the weight, which should stay below 1.
    """

    type: str = "length_efficient"

    def compute(self, group: GradedGroup) -> list[float]:
        lengths = group.lengths
        right = [length for length, grade in zip(lengths, group.graded, strict=True) if grade.right]
        if not right:
            return [0.0] * len(lengths)
        mean, deviation = statistics.fmean(right), statistics.pstdev(right)
        return [
            -_sigmoid((length - mean) / deviation if deviation else 0.0) if grade.right else 0.0
            for length, grade in zip(lengths, group.graded, strict=True)
        ]


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))
