"""What a sampler is: which problems to practise next."""

from abc import abstractmethod
from collections.abc import Sequence

from ..component import Component
from ..problems import Problem
from .ledger import Ledger


class Sampler(Component):
    """Picks the problems of a step from what the ledger knows.

    A sampler keeps no state of its own: its choice depends on the step, the seed and the ledger, so that a resumed run
    picks what the uninterrupted one would have.
    """

    @abstractmethod
    def pick(self, step: int, count: int, problems: Sequence[Problem], ledger: Ledger, seed: int) -> list[Problem]:
        """`count` distinct problems for `step` (1, 2, …); all of them where there are not so many."""
