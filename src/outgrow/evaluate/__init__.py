"""The truth about a policy: suites of held-out problems, samples, estimates with intervals, paired comparison."""

from collections.abc import Callable, Sequence

from ..policy import Sampling
from ..problems import Problem
from ..rollout import Respondent
from ..verify import Verifier
from .evaluation import Evaluation, paired_delta
from .sample import Draw, sample_problems
from .suites import samples_for, suite, suites

__all__ = ["Evaluation", "evaluate", "paired_delta", "samples_for", "suite", "suites"]


def evaluate(
    respondent: Respondent,
    verifier: Verifier,
    problems: Sequence[Problem],
    k: int,
    sampling: Sampling,
    seed: int,
    poll: Callable[[], None] = lambda: None,
    draw: Draw = sample_problems,
) -> Evaluation:
    """k samples and a greedy answer for every problem. draw: where the answers come from."""
    drawn = draw(respondent, verifier, problems, k, sampling, seed, poll)
    cold = sampling.model_copy(update={"temperature": 0.0})
    greedy = draw(respondent, verifier, problems, 1, cold, seed, poll)
    return Evaluation(drawn + greedy)
