"""What an advantage is: from the rewards of a step's groups to the weight of every rollout, or of every token."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from ...core.registry import Component
from ...types import GradedGroup

if TYPE_CHECKING:
    from torch import Tensor

EQUAL_REWARDS = 1e-8
"""Rewards that differ by no more than this are the same."""

RolloutAdvantage: TypeAlias = "float | Tensor"
"""Advantage of one rollout: a number for all of its tokens, or a tensor (T,) with a number for each of them."""


class Advantage(Component):
    """A rule that compares every rollout with its group, or with what was expected of it."""

    skips_equal_rewards: ClassVar[bool] = True
    """Whether a step whose rewards are all equal gets advantages of 0, without a call of `compute`. Set it to False for a rule
    whose advantages say which way to go even then."""

    compares_in_group: ClassVar[bool] = True
    """Whether rollouts are compared with those of their group only. Set it to False for a rule with a baseline from elsewhere:
    it is one of all rollouts, and too low or too high for some that were chosen by their rewards (`learn.keep`)."""

    @abstractmethod
    def compute(self, rewards_PG: Tensor, groups: Sequence[GradedGroup]) -> Tensor | list[list[Tensor]]:
        """Return advantages: a tensor (P, G), or for each of the P groups a list of G tensors (T,), one number for each token.

        rewards_PG: total reward of each rollout. groups: the P graded groups of G rollouts, in the same order: problem, texts,
        token ids, verdicts, and what the ledger expected before the group was written (`group.expected`).
        T is the number of tokens of the completion, `group.lengths`.
        """

    def teaches(self, rewards_G: Sequence[float], advantages_G: Sequence[RolloutAdvantage]) -> bool:
        """Return whether a group moves the weights; the step leaves out a group that does not.

        By default it does if its rewards differ, or if an advantage is above 0.01 in size: one that compares with an expectation
        may learn from equal rewards. Rounding, through GRPO's division by its epsilon, leaves up to about 0.001 of an advantage
        that is 0.
        """
        if max(rewards_G) - min(rewards_G) > EQUAL_REWARDS:
            return True
        return any(abs(a) > 0.01 if isinstance(a, float) else float(a.abs().max()) > 0.01 for a in advantages_G)
