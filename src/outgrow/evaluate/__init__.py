"""The truth about a policy: suites of held-out problems, samples, estimates with intervals, paired comparison."""

from collections.abc import Callable

from ..errors import UsageError, nearest
from ..policy import Policy, Sampling
from ..problems import Source
from ..problems.micro import Micro
from ..rollout import Engine
from ..verify import Verifier
from .evaluation import Evaluation, paired_delta
from .sample import sample_problems

SUITES: dict[str, Source] = {
    "micro": Micro(split="test", per_level=8),
    "micro-validation": Micro(split="validation", per_level=2),
}

__all__ = ["SUITES", "Evaluation", "evaluate", "paired_delta", "suite"]


def suite(name: str) -> Source:
    """The suite called `name`. Raises UsageError naming the nearest."""
    if name not in SUITES:
        raise UsageError(f"no suite called {name!r}{nearest(name, list(SUITES))}")
    return SUITES[name]


def evaluate(
    policy: Policy,
    engine: Engine,
    verifier: Verifier,
    on: str,
    k: int,
    sampling: Sampling,
    seed: int,
    poll: Callable[[], None] = lambda: None,
) -> Evaluation:
    """k samples and a greedy answer for every problem of a suite."""
    problems = suite(on).load()
    engine.update(policy)
    drawn = sample_problems(policy, engine, verifier, problems, k, sampling, seed, poll)
    cold = sampling.model_copy(update={"temperature": 0.0})
    greedy = sample_problems(policy, engine, verifier, problems, 1, cold, seed, poll)
    return Evaluation(drawn + greedy)
