"""Sampling answers to problems and grading them: what every measurement starts from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..keyed import seed_from
from ..policy import Policy, Sampling
from ..problems import Problem
from ..rollout import Engine
from ..verify import Attempt, Verdict, Verifier


@dataclass(frozen=True)
class Sample:
    """One graded answer. index: 0 .. k − 1, or −1 for the greedy one. length: completion tokens."""

    problem_id: str
    field: str
    level: int
    question: str
    answer: str
    index: int
    text: str
    verdict: Verdict
    extracted: str | None
    length: int

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.verdict is Verdict.RIGHT


def sample_problems(
    policy: Policy,
    engine: Engine,
    verifier: Verifier,
    problems: Sequence[Problem],
    k: int,
    sampling: Sampling,
    seed: int,
    poll: Callable[[], None] = lambda: None,
) -> list[Sample]:
    """k graded answers to each problem, from the weights the engine holds; one, with index −1, at temperature 0.

    The draws depend on seed and problem only, so two policies are compared on the same dice.
    """
    greedy = sampling.temperature == 0
    k = 1 if greedy else k
    prompts = [policy.prompt_ids(problem.question) for problem in problems]
    seeds = [seed_from(seed, "evaluate", problem.id) for problem in problems]
    groups = engine.generate(prompts, k, sampling, seeds, poll)
    drawn = [(problem, index, r) for problem, group in zip(problems, groups, strict=True) for index, r in enumerate(group)]
    attempts = [Attempt(rollout.text, problem.answer, rollout.finished, problem.scorer) for problem, _, rollout in drawn]
    graded = verifier.grade(attempts, inside_think=policy.opens_think, poll=poll)
    return [
        Sample(
            problem_id=problem.id,
            field=problem.field,
            level=problem.level,
            question=problem.question,
            answer=problem.answer,
            index=-1 if greedy else index,
            text=rollout.text,
            verdict=one.verdict,
            extracted=one.extracted,
            length=len(rollout.completion_ids),
        )
        for (problem, index, rollout), one in zip(drawn, graded, strict=True)
    ]
