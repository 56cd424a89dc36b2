"""Every problem once, in a shuffled order, then all again in another order."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..keyed import python_random
from .known import Known
from .sampler import Sampler


class Uniform(Sampler):
    """Epochs without repetition. An epoch's last, incomplete batch is left out (its problems come up in the next epoch)."""

    type: str = "uniform"

    def pick(self, step: int, count: int, known: Known, seed: int) -> Sequence[int]:
        count = min(count, len(known))
        epoch, batch = divmod(step - 1, len(known) // count)
        places: list[int] = _order(len(known), seed, epoch)[batch * count : (batch + 1) * count].tolist()
        return places


@lru_cache(maxsize=8)  # a source each
def _order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    order = list(range(n))
    python_random(seed, "uniform", epoch).shuffle(order)
    return np.array(order)
