"""What a sampler is: which problems to practise next."""

from abc import abstractmethod
from collections.abc import Sequence

from ..component import Component
from .known import Known


class Sampler(Component):
    """Picks the problems of a step from what is known of them.

    A sampler keeps no state of its own: its choice depends on the step, the seed and what is known, so that a resumed run
    picks what the uninterrupted one would have.
    """

    @abstractmethod
    def pick(self, step: int, count: int, known: Known, seed: int) -> Sequence[int]:
        """The places of `count` distinct problems for `step` (1, 2, …); of all where there are not so many."""
