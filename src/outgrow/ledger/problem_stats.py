"""What is known of a source's problems, as arrays, so that a million of them are weighed at once."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..types import Problem
from .posterior import PassRatePosterior
from .step_totals import StepHistory

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


class ProblemStats:
    """Arrays over N problems, in their order. They follow the ledger that they came from.

    problems: the problems. cell_N: the number of each problem's cell, of the ledger's C cells (a field and a level together).
    """

    def __init__(self, problems: Sequence[Problem], evidence: PassRatePosterior) -> None:
        """Look up these problems. evidence: the posterior of every problem that the ledger knows."""
        self.problems = problems
        self.cell_N: Ints = np.array([evidence.cell(problem.field, problem.level) for problem in problems], dtype=np.int32)
        rows_N = np.array([evidence.row(problem.id) for problem in problems])
        # Rows in one piece, as a source's usually are, are looked at where they lie.
        whole = bool((np.diff(rows_N) == 1).all())
        self._rows: slice | NDArray[np.int64] = slice(rows_N[0], rows_N[-1] + 1) if whole else rows_N
        self._evidence = evidence

    def __len__(self) -> int:
        return len(self.problems)

    @cached_property
    def cells(self) -> dict[tuple[str, int], int]:
        """The number of each field and level of these problems; the ledger may know others."""
        numbers, first = np.unique(self.cell_N, return_index=True)
        examples = [self.problems[place] for place in first.tolist()]
        return {(problem.field, problem.level): number for problem, number in zip(examples, numbers.tolist(), strict=True)}

    @property
    def n_N(self) -> Ints:
        """Rollouts of the last visit; 0 where a problem was never met."""
        return self._evidence.n[self._rows]

    @property
    def right_N(self) -> Ints:
        """Right ones among them."""
        return self._evidence.right[self._rows]

    @property
    def step_N(self) -> Ints:
        """The step of the last visit; 0 where a problem was never met, or only in a profile."""
        return self._evidence.step[self._rows]

    @property
    def visits_N(self) -> Ints:
        """Visits in training, not those of a profile."""
        return self._evidence.visits[self._rows]

    @property
    def streak_N(self) -> Ints:
        """The last visits in a row that were all right (+) or all wrong (−); 0 where the last one was mixed."""
        return self._evidence.streak[self._rows]

    @property
    def steps(self) -> StepHistory:
        """What each step so far came to, over all of the ledger's problems."""
        return self._evidence.steps

    def prior(self, step: int) -> Floats:
        """Return (C,), the pass rate that a problem of each cell is expected to have before its first visit."""
        return self._evidence.prior(step)

    def highest(self) -> Floats:
        """Return (C,), the highest that each cell's rate has been; 0 where its rollouts are too few to say something."""
        return self._evidence.highest()

    def posterior(self, step: int, places: Ints | NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return α and β, each (P,), of the Beta distributions of these problems' pass rates at `step`; see PassRatePosterior."""
        evidence = self._evidence
        alpha_P, beta_P = self._prior_beta(step)
        alpha_P, beta_P = alpha_P[self.cell_N[places]], beta_P[self.cell_N[places]]
        kept_P = evidence.decay(step - self.step_N[places])
        alpha_P += kept_P * evidence.right_weight[self._rows][places]
        beta_P += kept_P * evidence.wrong_weight[self._rows][places]
        return alpha_P, beta_P

    def score(self, step: int, of_beta: Callable[[Floats, Floats], Floats]) -> Floats:
        """Return (N,), `of_beta` of each problem's α and β.

        Problems that were never met have those of their cell, so a million of them cost little.
        """
        scores_N = of_beta(*self._prior_beta(step))[self.cell_N]
        met = np.flatnonzero(self.n_N)
        scores_N[met] = of_beta(*self.posterior(step, met))
        return scores_N

    def mean(self, step: int) -> Floats:
        """Return (N,), the expected pass rates."""
        return self.score(step, lambda alpha, beta: alpha / (alpha + beta))

    def _prior_beta(self, step: int) -> tuple[Floats, Floats]:
        alpha_C = self._evidence.prior_weight * self.prior(step)
        return alpha_C, self._evidence.prior_weight - alpha_C
