"""Reward prediction error: an answer earns how much better it is than expected, across visits and levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, FiniteFloat

from ...types import GradedGroup
from .base import Advantage

if TYPE_CHECKING:
    from torch import Tensor


class RewardPredictionError(Advantage):
    """δ / √(mean δ²) over the batch, δ = r − V, V = κ · value of the problem + (1 − κ) · value of its level.

    Unlike a group's mean, V remembers: the same level solved again earns less, a harder one more, and a group that is all right
    teaches as long as that was not expected. Values never fall, so forgetting and relearning earns nothing. In a group with no
    rollout above V, δ is not below −cap, since V lags behind a policy that got worse, and may be too high by luck. V is a pass
    rate: the reward should pay 1 for a right answer. What it does is measured in docs/lab/dopamine.md.

    SPO (arXiv 2509.13232, section 3), which keeps a Beta tracker for each problem, also subtracts the batch's mean. Here that
    would turn signs: where most of a batch is below values that never fall, a group that is all wrong would be rewarded.
    """

    compares_in_group: ClassVar[bool] = False

    type: str = "rpe"
    kappa: FiniteFloat = Field(
        default=0.3, description="Weight of the problem's value in the baseline; its level's value has the rest."
    )
    cap: FiniteFloat = Field(default=0.3, description="Limit of the loss in a group that stays below its baseline throughout.")
    epsilon: FiniteFloat = Field(default=1e-4, description="Added to the root mean square.")

    def compute(self, rewards_PG: Tensor, groups: Sequence[GradedGroup]) -> Tensor:
        expected_P = [group.expected for group in groups]
        values = [self.kappa * expected.problem + (1 - self.kappa) * expected.level for expected in expected_P]
        delta_PG = rewards_PG - rewards_PG.new_tensor(values).unsqueeze(1)
        below_P1 = delta_PG.amax(1, keepdim=True) < 0
        delta_PG = delta_PG.where(~below_P1, delta_PG.clamp(min=-self.cap))
        return delta_PG / (delta_PG.square().mean().sqrt() + self.epsilon)
