"""The quality of the labels, as far as it can be measured without a person.

Precision grades the rows again against the problems' known answers. Of unverified data it is the share of right answers. Of
verified data it should be 1, since the same checker chose the rows: it shows that no row was mixed up, not that the checker is
right. Soundness checks the written calculations: a right answer by wrong steps passes the checker, and is bad to learn from.
"""

from collections.abc import Iterable

from ..core.callbacks import CheckStop, never_stop
from ..core.estimate import Estimate
from ..evaluate.arithmetic_steps import equations
from ..evaluate.statistics import share_estimate
from ..types import Problem
from ..verify import Attempt, Verifier
from .row import SyntheticRow


def precision(
    rows: Iterable[SyntheticRow], problems: Iterable[Problem], verifier: Verifier, check_stop: CheckStop = never_stop
) -> Estimate | None:
    """Return the share of right answers among the rows to these problems (by id); None where there are no such rows."""
    by_id = {problem.id: problem for problem in problems}
    pairs = [(row, by_id[row.problem_id]) for row in rows if row.problem_id in by_id]
    # The whole message holds the prompt's <think> too, so it does not matter whether the prompt opened one.
    attempts = [Attempt.at(problem, row.messages[-1]["content"]) for row, problem in pairs]
    return share_estimate([graded.right for graded in verifier.grade(attempts, check_stop=check_stop)])


def sound(rows: Iterable[SyntheticRow]) -> Estimate | None:
    """Return the share of rows in which every calculation holds, among rows with any (evaluate/arithmetic_steps.py).

    None where no row has a calculation.
    """
    checked = ([equation.holds for equation in equations(row.sampled)] for row in rows)
    return share_estimate([all(holds) for holds in checked if holds])
