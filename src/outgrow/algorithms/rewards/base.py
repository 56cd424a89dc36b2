"""What a reward is: a price for every rollout of one group, computed from the whole group."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from ...core.registry import Component
from ...engines import Rollout
from ...ledger import Expected
from ...problems import Problem
from ...verify import Graded


@dataclass(frozen=True)
class GradedGroup:
    """The rollouts of one problem in one step, with their verdicts.

    inside_think: the prompt already opened <think>. expected: what was known of the problem before. max_tokens: longest completion.
    scores: the teacher's, from 0 to 1, of each rollout; empty where there is no teacher.
    """

    problem: Problem
    rollouts: list[Rollout]
    graded: list[Graded]
    step: int
    seed: int
    inside_think: bool
    expected: Expected
    max_tokens: int
    scores: tuple[float, ...] = ()

    @property
    def lengths(self) -> list[int]:
        """Completion tokens of each rollout."""
        return [len(rollout.completion_ids) for rollout in self.rollouts]

    @property
    def right(self) -> int:
        """Number of right rollouts."""
        return sum(grade.right for grade in self.graded)

    @property
    def mixed(self) -> bool:
        """Whether it holds both right rollouts and others."""
        return 0 < self.right < len(self.rollouts)

    @property
    def mean_length(self) -> float:
        """Mean completion length in tokens."""
        return sum(self.lengths) / len(self.rollouts)


class Reward(Component):
    """One part of a composed reward. weight multiplies what it pays; warm-up holds it at 0 for the first steps, and the gate in
    groups of which a smaller share than `min_solve_rate` is right (length rules that should not make hard problems harder)."""

    needs_teacher: ClassVar[bool] = False  # whether it pays by the scores of a teacher

    weight: float = 1.0
    warmup_steps: int = 0
    min_solve_rate: float = Field(default=0.0, ge=0, le=1)

    def weight_for(self, group: GradedGroup) -> float:
        """The weight; 0 in the warm-up, and below the gate."""
        active = group.step > self.warmup_steps and group.right >= self.min_solve_rate * len(group.rollouts)
        return self.weight if active else 0.0

    @abstractmethod
    def pay(self, group: GradedGroup) -> list[float]:
        """One number per rollout, before weight and warm-up."""
