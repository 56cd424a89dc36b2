"""Sample by pass rate: mostly problems that are sometimes solved, seldom those that always or never are."""

from collections.abc import Sequence

from ..keyed import python_random
from ..problems import Problem
from .ledger import Ledger
from .sampler import Sampler


class PassRate(Sampler):
    """Chance ∝ p(1 − p) + floor, p the pass rate at the last visit, or 1/2 for a problem never met.

    p(1 − p) is the variance of one rollout's verdict, which bounds the signal a group can carry (SPEED, arXiv 2506.09016).
    floor keeps mastered and hopeless problems coming up now and then, so their pass rates do not go stale for ever.
    """

    type: str = "pass_rate"
    floor: float = 0.02

    def pick(self, step: int, count: int, problems: Sequence[Problem], ledger: Ledger, seed: int) -> list[Problem]:
        rng = python_random(seed, "pass_rate", step)
        # Efraimidis & Spirakis (2006): the `count` largest of log(u)/w are a weighted draw without replacement.
        keys = [(self.chance(problem, ledger), rng.random()) for problem in problems]
        order = sorted(range(len(problems)), key=lambda index: keys[index][1] ** (1 / keys[index][0]), reverse=True)
        return [problems[index] for index in order[:count]]

    def chance(self, problem: Problem, ledger: Ledger) -> float:
        """Weight of a problem in the draw."""
        visit = ledger.latest(problem.id)
        rate = 0.5 if visit is None else visit.pass_rate
        return rate * (1 - rate) + self.floor
