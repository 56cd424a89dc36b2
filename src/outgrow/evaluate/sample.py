"""Sampling answers to problems and grading them: what every measurement starts from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.errors import UsageError
from ..core.rng import seed_from
from ..engines import ChatModel, ChatRequest
from ..policy import Sampling
from ..types import Problem, Verdict
from ..verify import Attempt, Verifier


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


def require_room(suite: str, respondent: ChatModel, problems: Sequence[Problem], max_tokens: int, setting: str) -> None:
    """Raise UsageError where a question leaves no room for an answer of so many tokens. setting: where a person says how many."""
    long = sum(not respondent.fits(respondent.conversation(problem.question), max_tokens) for problem in problems)
    if long:
        raise UsageError(
            f"{suite}: {long:,} of {len(problems):,} questions leave no room for {max_tokens:,} tokens of answer in a context of "
            f"{respondent.context:,}; lower {setting}"
        )


def sample_problems(
    respondent: ChatModel,
    verifier: Verifier,
    problems: Sequence[Problem],
    k: int,
    sampling: Sampling,
    seed: int,
    check_stop: Callable[[], None] = lambda: None,
) -> list[Sample]:
    """k graded answers to each problem; one, with index −1, at temperature 0.

    The draws depend on seed and problem only, so that two policies are compared on the same dice.
    """
    greedy = sampling.temperature == 0
    k = 1 if greedy else k
    asked = [respondent.conversation(problem.question) for problem in problems]
    seeds = [seed_from(seed, "evaluate", problem.id) for problem in problems]
    groups = respondent.answer(ChatRequest(asked, k, sampling, seeds), check_stop)
    drawn = [
        (problem, index, answer) for problem, group in zip(problems, groups, strict=True) for index, answer in enumerate(group)
    ]
    attempts = [Attempt(answer.text, problem.answer, answer.finished, problem.scorer) for problem, _, answer in drawn]
    graded = verifier.grade(attempts, inside_think=respondent.opens_think, check_stop=check_stop)
    return [
        Sample(
            problem_id=problem.id,
            field=problem.field,
            level=problem.level,
            question=problem.question,
            answer=problem.answer,
            index=-1 if greedy else index,
            text=answer.text,
            verdict=one.verdict,
            extracted=one.extracted,
            length=answer.length,
        )
        for (problem, index, answer), one in zip(drawn, graded, strict=True)
    ]
