"""Every problem once, in a shuffled order, then all again in another order."""

from collections.abc import Sequence

from ..keyed import python_random
from ..problems import Problem
from .ledger import Ledger
from .sampler import Sampler


class Uniform(Sampler):
    """Epochs without repetition. An epoch's last, incomplete batch is left out (its problems come up in the next epoch)."""

    type: str = "uniform"

    def pick(self, step: int, count: int, problems: Sequence[Problem], ledger: Ledger, seed: int) -> list[Problem]:
        count = min(count, len(problems))
        epoch, batch = divmod(step - 1, len(problems) // count)
        order = list(range(len(problems)))
        python_random(seed, "uniform", epoch).shuffle(order)
        return [problems[index] for index in order[batch * count : (batch + 1) * count]]
