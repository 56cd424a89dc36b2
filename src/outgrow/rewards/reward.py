"""What a reward is: a price for every rollout of one group, computed from the whole group."""

from abc import abstractmethod
from dataclasses import dataclass

from ..component import Component
from ..problems import Problem
from ..rollout import Rollout
from ..verify import Graded


@dataclass(frozen=True)
class GradedGroup:
    """The rollouts of one problem in one step, with their verdicts. inside_think: the prompt already opened <think>."""

    problem: Problem
    rollouts: list[Rollout]
    graded: list[Graded]
    step: int
    seed: int
    inside_think: bool

    @property
    def right(self) -> int:
        """Number of right rollouts."""
        return sum(grade.right for grade in self.graded)

    @property
    def mean_length(self) -> float:
        """Mean completion length in tokens."""
        return sum(len(rollout.completion_ids) for rollout in self.rollouts) / len(self.rollouts)


class Reward(Component):
    """One part of a composed reward. weight multiplies what it pays; warm-up holds it at 0 for the first steps."""

    weight: float = 1.0
    warmup_steps: int = 0

    @abstractmethod
    def pay(self, group: GradedGroup) -> list[float]:
        """One number per rollout, before weight and warm-up."""
