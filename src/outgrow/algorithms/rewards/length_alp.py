"""Adaptive length penalty (ALP, arXiv 2506.05256, section 3): a token costs more the more of the group is right."""

from ...types import GradedGroup
from .base import Reward


class LengthALP(Reward):
    """−(tokens / sampling.max_tokens) · max(solve rate, 1/n), right or wrong. The paper's β is weight / sampling.max_tokens."""

    type: str = "length_alp"

    def compute(self, group: GradedGroup) -> list[float]:
        n = len(group.rollouts)
        rate = max(group.right / n, 1 / n)
        return [-rate * length / group.max_tokens for length in group.lengths]
