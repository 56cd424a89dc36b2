"""Our own sampler for chains: a chain is practised once what it is made of is solved, and takes the place of what it is made of."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...ledger import ProblemStats
from ...problems.chains.shape import Shape, shape_of_field
from .frontier import Frontier

Bools = NDArray[np.bool_]


class Climb(Frontier):
    """The sampler `frontier` on what is open.

    - A field and level is solved once its rate has been `solved` or more over at least 32 rollouts.
    - A chain such as sum>product>clock opens once sum>product and product>clock are solved at its level; what the source does not
      hold is replaced by what is within it. So put the parts and the chains into one source. A lock that has opened stays open,
      since it looks at the highest that a rate has been: otherwise a lucky or an unlucky group would open and close it in turn.
    - What is solved counts `retired_weight` times where a chain directly above it is open. It counts in full again while its
      present rate is below `solved`: it is then being forgotten.
    - Locked problems come only where there are too few open ones. Reviews and the random share are drawn from what is open, too.

    Fields that are in no chain are open, as in `frontier`. Retirement is of fields here and not of single problems.
    """

    type: str = "climb"
    solved: float = Field(
        default=0.8, ge=0.5, lt=1, description="Pass rate of a field and level from which on the chains made of it may open."
    )
    retired_weight: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Factor on the weight of the problems of a solved field and level, where a chain made of it is open.",
    )

    def idle(self, sources: Sequence[ProblemStats]) -> str | None:
        if any(len(_edges(known)[0]) for known in sources):
            return None
        return (
            "curriculum.type=climb: no source holds a chain together with its parts at the same level, so it chooses as frontier "
            "does; set parts=also in the table of the chains, or curriculum.type=frontier"
        )

    def _factors(self, step: int, known: ProblemStats) -> NDArray[np.float64]:
        locked_C = self._locked(known)
        factor_C = np.where(self._retired(step, known, locked_C), self.retired_weight, 1.0)
        factor_C[locked_C] = 0.0
        return factor_C[known.cell_N]

    def _overdue(self, step: int, known: ProblemStats, retired: NDArray[np.int64]) -> NDArray[np.float64]:
        overdue = super()._overdue(step, known, retired)
        overdue[self._locked(known)[known.cell_N[retired]]] = -1.0
        return overdue

    def _locked(self, known: ProblemStats) -> Bools:
        """Return (C,), whether a cell is a chain that is not open yet."""
        highest_C = known.highest()
        above_E, within_E = _edges(known)
        locked_C = np.zeros(len(highest_C), dtype=np.bool_)
        locked_C[above_E[highest_C[within_E] < self.solved]] = True
        return locked_C

    def _retired(self, step: int, known: ProblemStats, locked_C: Bools) -> Bools:
        """Return (C,), whether a cell is solved, and has a chain above it that is open."""
        above_E, within_E = _edges(known)
        into_C = np.zeros(len(locked_C), dtype=np.bool_)
        into_C[within_E[~locked_C[above_E]]] = True
        solved_C: Bools = (known.highest() >= self.solved) & (known.prior(step) >= self.solved)
        return into_C & solved_C


def _edges(known: ProblemStats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (E,) and (E,), the numbers of a chain's cell and of a cell that is solved before it opens, for all such pairs."""
    pairs = [(number, part) for (field, level), number in known.cells.items() for part in set(_within(field, level, known.cells))]
    above_E, within_E = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return above_E, within_E


def _within(field: str, level: int, cells: Mapping[tuple[str, int], int]) -> Iterator[int]:
    """Yield the cells that are solved before this field opens, some perhaps twice; none where the field is no chain."""
    shape = shape_of_field(field) or Shape((field,))
    for part in shape.within():
        if (part.name, level) in cells:
            yield cells[part.name, level]
        else:
            yield from _within(part.name, level, cells)
