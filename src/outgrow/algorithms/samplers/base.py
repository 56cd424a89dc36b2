"""What a sampler is: which problems to practise next."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from ...core.registry import Component
from ...ledger import ProblemStats


@dataclass(frozen=True)
class PickRequest:
    """What a step asks of a sampler."""

    step: int
    """Step, from 1."""
    count: int
    """Number of problems."""
    group_size: int
    """Rollouts that each of them will get."""
    seed: int
    """Seed of the run; a sampler's generator is keyed by it, its own type and the step."""


class Sampler(Component):
    """Picks the problems of a step from what is known of them.

    A sampler keeps no state: its choice depends only on the step, the seed and the statistics, so that a resumed run picks what
    the uninterrupted one would have. The rollouts that `refill` and `screen` cost are counted.
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
        """Return the places of `ask.count` distinct problems, the most wanted first; fewer only if there are fewer."""

    def idle(self, sources: Sequence[ProblemStats]) -> str | None:
        """Return one line on why this sampler chooses like a plainer one from these sources' problems; None where it does not."""
        return None
