"""What an advantage is: from the rewards of groups to one weight per rollout."""

from abc import abstractmethod

from torch import Tensor

from ..component import Component


class Advantage(Component):
    """A rule that compares every rollout with its group."""

    @abstractmethod
    def weigh(self, rewards_PG: Tensor) -> Tensor:
        """Advantages (P, G) from rewards (P, G)."""
