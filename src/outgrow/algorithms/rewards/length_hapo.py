"""History-aware length reward (HAPO, arXiv 2505.11225, section 3): compared with the problem's shortest right answer."""

import math

from pydantic import Field, FiniteFloat

from ...types import GradedGroup
from .base import Reward


class LengthHAPO(Reward):
    """cos(π/2 · tokens / h), −1 from 2h on, h the tokens of the shortest right answer of all earlier visits; 0 before the first.

    A right answer pays at least −floor, so that it stays better than a wrong one. A wrong one never pays more than 0, so that a
    short wrong answer earns nothing.
    """

    type: str = "length_hapo"
    floor: FiniteFloat = Field(default=0.7, description="Largest loss of a right answer for its length.")

    def compute(self, group: GradedGroup) -> list[float]:
        shortest = group.expected.shortest_right
        if shortest is None:
            return [0.0] * len(group.rollouts)
        prices = (math.cos(math.pi / 2 * min(length / shortest, 2)) for length in group.lengths)
        return [
            max(-self.floor, price) if grade.right else min(0.0, price) for price, grade in zip(prices, group.graded, strict=True)
        ]
