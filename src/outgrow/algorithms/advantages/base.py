"""What an advantage is: from the rewards of groups to one weight per rollout."""

from abc import abstractmethod
from collections.abc import Sequence

from torch import Tensor

from ...core.registry import Component
from ...types import ValueBaseline


class Advantage(Component):
    """A rule that compares every rollout with its group, or with what was expected of it."""

    @abstractmethod
    def compute(self, rewards_PG: Tensor, expected_P: Sequence[ValueBaseline]) -> Tensor:
        """Advantages (P, G) from rewards (P, G). expected_P: what was known of each problem before its group was written."""
