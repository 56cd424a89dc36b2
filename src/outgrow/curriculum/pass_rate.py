"""Sample by pass rate: mostly problems that are sometimes solved, seldom those that always or never are."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from pydantic import Field

from ..keyed import python_random
from ..problems import Problem
from .ledger import Ledger
from .sampler import Sampler


class PassRate(Sampler):
    """Chance ∝ p(1 − p) + floor, p the pass rate at the problem's last visit.

    A problem never met is taken to be as hard as its field and level have been so far (1/2 before anything is known).
    p(1 − p) is the variance of one rollout's verdict, which bounds the signal a group can carry (SPEED, arXiv 2506.09016).
    floor keeps mastered and hopeless problems coming up now and then, so their pass rates do not go stale for ever.
    """

    type: str = "pass_rate"
    floor: float = Field(default=0.02, gt=0)

    def pick(self, step: int, count: int, problems: Sequence[Problem], ledger: Ledger, seed: int) -> list[Problem]:
        rng = python_random(seed, "pass_rate", step)
        chances = self.chances(problems, ledger)
        # Efraimidis & Spirakis (2006): the `count` largest of u^(1/w) are a weighted draw without replacement. The logarithm
        # keeps small weights apart, and 1 − u is never 0.
        keys = [math.log(1 - rng.random()) / chances[problem.id] for problem in problems]
        order = sorted(range(len(problems)), key=keys.__getitem__, reverse=True)
        return [problems[index] for index in order[:count]]

    def chances(self, problems: Sequence[Problem], ledger: Ledger) -> Mapping[str, float]:
        """Problem id -> its weight in the draw."""
        met = {problem.id: visit for problem in problems if (visit := ledger.latest(problem.id))}
        totals: dict[tuple[str, int], list[int]] = defaultdict(lambda: [1, 2])  # right, n; one of each to begin with
        for problem in problems:
            if visit := met.get(problem.id):
                total = totals[problem.field, problem.level]
                total[0] += visit.right
                total[1] += visit.n
        chances = {}
        for problem in problems:
            right, n = totals[problem.field, problem.level]
            rate = met[problem.id].pass_rate if problem.id in met else right / n
            chances[problem.id] = rate * (1 - rate) + self.floor
        return chances
