"""The judge as a judge: scores answers beside the checker, with a local model or one that a server holds."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..core.errors import OutgrowError
from ..core.rng import seed_from
from ..engines import ChatModel, ChatRequest, Conversation
from ..policy import Sampling
from .config import JudgeSection
from .rubric import answer_id, fill, read_score


@dataclass(frozen=True)
class JudgeItem:
    """An answer to be scored. question, answer: the problem's. finished: whether the token limit did not cut it."""

    question: str
    answer: str
    completion: str
    finished: bool


@dataclass
class Judge:
    """Scores answers by a rubric; the mean of `section.samples` scores where there are several.

    What it says depends on the rubric, the answer and the seed alone, so equal answers have equal scores, in whichever step they
    were written. A reply that holds no score is asked for again, `section.tries` times in all; what still has none is None.
    """

    respondent: ChatModel
    section: JudgeSection
    seed: int
    nonsense: str = field(default="", init=False)  # the last reply without a score

    def scores(
        self, answers: Sequence[JudgeItem], check_stop: Callable[[], None] = lambda: None, all_or_none: bool = True
    ) -> list[float | None]:
        """One score from 0 to 1 each. An answer that the token limit cut has 0, unasked: there is nothing to grade.

        Raises OutgrowError where a server is dead, stuck or refuses, or, unless `all_or_none` is off, where more than
        `section.max_unscored` of these have no score; check_stop may raise as well.
        """
        replies = self._ask(list(dict.fromkeys(answer for answer in answers if answer.finished)), check_stop)
        found = [replies[answer] if answer.finished else 0.0 for answer in answers]
        without = sum(score is None for score in found)
        if all_or_none and without > self.section.max_unscored * sum(answer.finished for answer in answers):
            raise self.failure(without, len(found))
        return found

    def failure(self, without: int, n: int) -> OutgrowError:
        """What there is to say where `without` of n answers have no score."""
        return OutgrowError(
            f"the judge {self.section.model} gave no score to {without} of {n} answers, {self.section.tries} times over; the "
            f"last it said: {_line(self.nonsense)!r}. Change judge.rubric or judge.max_tokens"
        )

    def _ask(self, answers: list[JudgeItem], check_stop: Callable[[], None]) -> dict[JudgeItem, float | None]:
        told: dict[JudgeItem, list[float]] = {answer: [] for answer in answers}
        conversations = {answer: self._conversation(answer) for answer in answers}
        too_long = [a for a in answers if not self.respondent.fits(conversations[a], self.section.max_tokens)]
        waiting = [answer for answer in answers if answer not in set(too_long)]
        if too_long:
            self.nonsense = f"(nothing: {len(too_long)} answers leave no room in its context of {self.respondent.context} tokens)"
        for attempt in range(self.section.tries):
            if not waiting:
                break
            asked = [conversations[answer] for answer in waiting]
            seeds = [seed_from(self.seed, "judge", attempt, _digest(conversation)) for conversation in asked]
            request = ChatRequest(asked, self.section.samples, self._sampling(attempt), seeds)
            groups = self.respondent.answer(request, check_stop)
            for answer, group in zip(waiting, groups, strict=True):
                told[answer] += [score for reply in group if (score := self._read(reply.text, answer)) is not None]
            waiting = [answer for answer in waiting if not told[answer]]
        return {answer: sum(scores) / len(scores) if scores else None for answer, scores in told.items()}

    def _sampling(self, attempt: int) -> Sampling:
        """As the recipe has it; a second try is never greedy, since the first was nonsense."""
        section = self.section
        temperature = section.temperature if attempt == 0 else max(section.temperature, 0.6)
        return Sampling(temperature=temperature, max_tokens=section.max_tokens)

    def _conversation(self, answer: JudgeItem) -> Conversation:
        turn = {"role": "user", "content": fill(self.section.rubric, answer.question, answer.completion, answer.answer)}
        return [{"role": "system", "content": self.section.system}, turn] if self.section.system else [turn]

    def _read(self, reply: str, answer: JudgeItem) -> float | None:
        expected = answer_id(answer.question, answer.completion) if "{id}" in self.section.rubric else None
        score = read_score(reply, self.respondent.opens_think, expected)
        if score is None:
            self.nonsense = reply
        return score


def _digest(conversation: Conversation) -> str:
    return hashlib.sha256(repr(conversation).encode("utf-8", "surrogatepass")).hexdigest()


def _line(text: str) -> str:
    """The end of a reply, where its score should be, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text[-200:]).strip()
