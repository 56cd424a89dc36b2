"""The starting experiment's length reward (a variant of Kimi k1.5's, arXiv 2501.12599, section 2.3.3)."""

from ...types import GradedGroup
from .base import Reward


class LengthExperiment(Reward):
    """λ = 1 − (len − min)/(max − min), len in characters, over the whole group; right pays λ, wrong min(0, λ), which is 0."""

    type: str = "length_experiment"

    def compute(self, group: GradedGroup) -> list[float]:
        return length_rewards([len(r.text) for r in group.rollouts], [g.right for g in group.graded], offset=1.0)


def length_rewards(lengths: list[int], right: list[bool], offset: float) -> list[float]:
    """Return λ = offset − (len − min)/(max − min) for each right answer, min(0, λ) for each wrong one; all 0 where max = min."""
    shortest, longest = min(lengths), max(lengths)
    if shortest == longest:
        return [0.0] * len(lengths)
    prices = (offset - (length - shortest) / (longest - shortest) for length in lengths)
    return [price if good else min(0.0, price) for price, good in zip(prices, right, strict=True)]
