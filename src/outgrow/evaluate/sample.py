"""Sampling answers to problems and grading them: what every measurement starts from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.errors import OutgrowError, UsageError
from ..core.rng import seed_from
from ..engines import ChatModel, ChatRequest
from ..policy import Sampling
from ..types import Problem, Verdict
from ..verify import Attempt, Verifier


@dataclass(frozen=True)
class Sample:
    """One graded answer."""

    problem_id: str
    field: str
    level: int
    question: str
    answer: str
    index: int
    """0 .. k − 1, or −1 for the greedy answer."""
    text: str
    verdict: Verdict
    extracted: str | None
    """The answer that was found in the text; None where there was none."""
    length: int | None
    """Completion tokens; None where a server does not say, and where it refused the prompt."""
    parts: tuple[str, ...] = ()
    """For a chain, the ids of the problems that it is made of, in order."""
    middles: tuple[str, ...] = ()
    """For a chain, the answers of all its parts but the last: each is a number of a later part."""
    refused: str = ""
    """Why the server refused the prompt; empty where it answered. The verdict is then NO_ANSWER."""

    @property
    def right(self) -> bool:
        """Whether the answer is correct."""
        return self.verdict is Verdict.RIGHT


def require_room(suite: str, respondent: ChatModel, problems: Sequence[Problem], max_tokens: int, setting: str) -> None:
    """Raise UsageError where a question leaves no room for an answer of `max_tokens` tokens.

    setting: the option or key that sets this number.
    """
    rooms = [respondent.room(respondent.conversation(problem.question, problem.turns)) for problem in problems]
    long, least = sum(room < max_tokens for room in rooms), min(rooms, default=0)
    if long:
        advice = f"lower {setting} to {least:,} or less" if least > 0 else "the longest of them leaves none for any answer"
        raise UsageError(
            f"{suite}: {long:,} of {len(problems):,} questions leave no room for {max_tokens:,} tokens of answer in a context of "
            f"{respondent.context:,}; {advice}"
        )


def require_an_answer(samples: Sequence[Sample]) -> None:
    """Raise OutgrowError where a server refused every prompt of these samples."""
    if samples and all(sample.refused for sample in samples):
        prompts = len({sample.problem_id for sample in samples})
        raise OutgrowError(
            f"the server refuses all {prompts:,} prompts ({samples[0].refused}); check its model, its context and --max-tokens"
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
    """Return k graded answers to each problem; at temperature 0 a single one, with index −1. A refused prompt counts as failed.

    The draws depend on seed and problem only, so two policies are compared with the same random numbers.
    """
    greedy = sampling.temperature == 0
    k = 1 if greedy else k
    conversations = [respondent.conversation(problem.question, problem.turns) for problem in problems]
    seeds = [seed_from(seed, "evaluate", problem.id) for problem in problems]
    groups = respondent.answer(ChatRequest(conversations, k, sampling, seeds), check_stop)
    drawn = [
        (problem, index, answer) for problem, group in zip(problems, groups, strict=True) for index, answer in enumerate(group)
    ]
    attempts = [Attempt.at(problem, answer.text, answer.finished) for problem, _, answer in drawn]
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
            verdict=Verdict.NO_ANSWER if answer.refused else grade.verdict,
            extracted=None if answer.refused else grade.extracted,
            length=answer.length,
            parts=tuple(part.id for part in problem.parts),
            middles=tuple(part.answer for part in problem.parts[:-1]),
            refused=answer.refused,
        )
        for (problem, index, answer), grade in zip(drawn, graded, strict=True)
    ]
