"""Soft punishment of overlong answers (DAPO, arXiv 2503.14476, equation 13)."""

from pydantic import Field

from ...types import GradedGroup
from .base import Reward


class LengthOverlong(Reward):
    """0 up to the last `cache` (a share) of sampling.max_tokens, then linearly down to −1 at the limit, right or wrong.

    The paper's cache is 4,096 of 20,480 tokens.
    """

    type: str = "length_overlong"
    cache: float = Field(
        default=0.2, gt=0, le=1, description="Share of sampling.max_tokens, at its end, in which the penalty grows from 0 to 1."
    )

    def compute(self, group: GradedGroup) -> list[float]:
        cache = self.cache * group.max_tokens
        return [min(0.0, (group.max_tokens - cache - length) / cache) for length in group.lengths]
