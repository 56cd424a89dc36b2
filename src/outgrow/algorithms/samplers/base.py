"""What a sampler is: which problems to practise next."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from ...core.registry import Component
from ...ledger import ProblemStats


@dataclass(frozen=True)
class PickRequest:
    """What a step (1, 2, …) asks of a sampler: `count` problems, of each of which `group_size` rollouts will be written."""

    step: int
    count: int
    group_size: int
    seed: int


class Sampler(Component):
    """Picks the problems of a step from what is known of them.

    A sampler keeps no state of its own: its choice depends on the step, the seed and what is known, so that a resumed run
    picks what the uninterrupted one would have.

    refill: how many more times, at most, a step draws new problems in place of those whose groups came out all right or all
    wrong (dynamic sampling, DAPO, arXiv 2503.14476, section 3.2). screen: rollouts that are written of a problem first; one
    that they find all right or all wrong gets no more (SPEED, arXiv 2506.09016); 0 for none. Both cost rollouts, which count.
    """

    refill: int = Field(
        default=0,
        ge=0,
        description="How many times a step may replace problems whose groups came out all right or all wrong; 0 for none.",
    )
    screen: int = Field(
        default=0,
        ge=0,
        description="Rollouts sampled of a problem first; if they are all right or all wrong, its group ends there. 0 for none.",
    )

    @abstractmethod
    def pick(self, ask: PickRequest, known: ProblemStats) -> Sequence[int]:
        """The places of `ask.count` distinct problems, the most wanted first; of all where there are not so many."""
