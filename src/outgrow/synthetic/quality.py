"""How good the labels are, as far as it can be told without a person.

Precision asks the verifier again, with the answers of a gold list in the place of those in the rows. Of unverified data it is the
share of right labels. Of verified data it is 1 as long as the gold list says what the practised problems say, since the same
checker chose the rows: it shows that nothing was mixed up on the way, not that the checker is right. Only a gold list that somebody
else made says more. Soundness asks no checker of answers: a right answer by wrong steps passes every one of them, and is bad to
learn from.
"""

from collections.abc import Callable, Iterable

from ..core.estimate import Estimate
from ..evaluate.arithmetic_steps import equations
from ..evaluate.statistics import share_estimate
from ..types import Problem
from ..verify import Attempt, Verifier
from .row import SyntheticRow


def precision(
    rows: Iterable[SyntheticRow], gold: Iterable[Problem], verifier: Verifier, check_stop: Callable[[], None] = lambda: None
) -> Estimate | None:
    """Of the rows on gold problems (by their ids), the share whose answer is right; None where there is no such row."""
    known = {problem.id: problem for problem in gold}
    found = [(row, known[row.problem_id]) for row in rows if row.problem_id in known]
    # The whole text, in which the prompt's <think> stands too, so nobody need remember whether there was one.
    attempts = [Attempt(row.messages[-1]["content"], problem.answer, scorer=problem.scorer) for row, problem in found]
    return share_estimate([graded.right for graded in verifier.grade(attempts, check_stop=check_stop)])


def sound(rows: Iterable[SyntheticRow]) -> Estimate | None:
    """The share of the rows with calculations that can be judged (evaluate/arithmetic_steps.py) in which all of them hold.

    None where no row has any.
    """
    checked = ([one.holds for one in equations(row.sampled)] for row in rows)
    return share_estimate([all(held) for held in checked if held])
