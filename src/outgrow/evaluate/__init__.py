"""How good a policy is: suites of held-out problems, samples, estimates with intervals, paired comparison."""

from collections.abc import Callable, Sequence

from ..engines import ChatModel
from ..policy import Sampling
from ..problems.limit import Limit
from ..types import Problem
from ..verify import Verifier
from .evaluation import Evaluation, paired_delta
from .sample import require_an_answer, require_room, sample_problems

__all__ = ["Evaluation", "evaluate", "paired_delta", "require_room"]


def evaluate(
    respondent: ChatModel,
    verifier: Verifier,
    problems: Sequence[Problem],
    k: int,
    sampling: Sampling,
    seed: int,
    check_stop: Callable[[], None] = lambda: None,
    limit: Limit | None = None,
) -> Evaluation:
    """Return the evaluation of k samples and a greedy answer to every problem.

    limit: how the problems were sampled from a suite; None where they are the whole suite. Raises OutgrowError where a
    server refuses every prompt: that is no measurement.
    """
    drawn = sample_problems(respondent, verifier, problems, k, sampling, seed, check_stop)
    require_an_answer(drawn)
    cold = sampling.model_copy(update={"temperature": 0.0})
    greedy = sample_problems(respondent, verifier, problems, 1, cold, seed, check_stop)
    return Evaluation(drawn + greedy, limit)
