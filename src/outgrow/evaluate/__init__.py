"""The truth about a policy: suites of held-out problems, samples, estimates with intervals, paired comparison."""

from collections.abc import Callable

from ..policy import Sampling
from ..rollout import Respondent
from ..verify import Verifier
from .evaluation import Evaluation, paired_delta
from .sample import sample_problems
from .suites import suite

__all__ = ["Evaluation", "evaluate", "paired_delta", "suite"]


def evaluate(
    respondent: Respondent,
    verifier: Verifier,
    on: str,
    k: int,
    sampling: Sampling,
    seed: int,
    poll: Callable[[], None] = lambda: None,
) -> Evaluation:
    """k samples and a greedy answer for every problem of a suite."""
    problems = suite(on).load()
    drawn = sample_problems(respondent, verifier, problems, k, sampling, seed, poll)
    cold = sampling.model_copy(update={"temperature": 0.0})
    greedy = sample_problems(respondent, verifier, problems, 1, cold, seed, poll)
    return Evaluation(drawn + greedy)
