"""The judge: a model, local or on a server, that scores answers by a rubric."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..core.addresses import shown_model
from ..core.callbacks import CheckStop, never_stop
from ..core.counted import counted
from ..core.errors import OutgrowError
from ..core.rng import seed_from
from ..engines import Answer, ChatModel, ChatRequest, Conversation
from ..policy import Sampling
from .config import JudgeSection
from .rubric import answer_id, fill, read_score


@dataclass(frozen=True)
class JudgeItem:
    """An answer to score."""

    question: str
    answer: str
    """The problem's known answer."""
    completion: str
    """The text to score."""
    finished: bool
    """Whether the model ended it. Otherwise the token limit cut it."""


@dataclass
class Judge:
    """Scores answers by a rubric: the mean over `section.samples` replies.

    A score depends only on the rubric, the answer and the seed, so equal answers have equal scores in every step. An answer whose
    replies hold no score is tried again, `section.tries` times in total; after that its score is None.
    """

    model: ChatModel
    section: JudgeSection
    seed: int
    last_failure: str = field(default="", init=False)
    """The last reply without a score."""

    def scores(
        self, items: Sequence[JudgeItem], check_stop: CheckStop = never_stop, require_scores: bool = True
    ) -> list[float | None]:
        """Return one score from 0 to 1 for each answer. An answer that the token limit cut gets 0 without being read.

        require_scores: whether to raise OutgrowError where more than `section.max_unscored` of the answers have no score. Raises
        OutgrowError where a server is down, stuck or refuses; check_stop may raise too.
        """
        scores_of = self._score(list(dict.fromkeys(item for item in items if item.finished)), check_stop)
        scores = [scores_of[item] if item.finished else 0.0 for item in items]
        unscored = sum(score is None for score in scores)
        if require_scores and unscored > self.section.max_unscored * sum(item.finished for item in items):
            raise self.failure(unscored, len(scores))
        return scores

    def failure(self, unscored: int, n: int) -> OutgrowError:
        """Return the error for `unscored` of n answers without a score."""
        name, reply = shown_model(self.section.model), _line(self.last_failure)
        return OutgrowError(
            f"The judge {name} gave no score to {unscored} of {n} answers in {self.section.tries} tries. Its last reply: {reply!r}."
            " Change judge.rubric or judge.max_tokens."
        )

    def _score(self, items: list[JudgeItem], check_stop: CheckStop) -> dict[JudgeItem, float | None]:
        scores: dict[JudgeItem, list[float]] = {item: [] for item in items}
        conversations = {item: self._conversation(item) for item in items}
        too_long = {item for item in items if self.model.room(conversations[item]) < self.section.max_tokens}
        waiting = [item for item in items if item not in too_long]
        if too_long:
            self.last_failure = (
                f"(none: {counted(len(too_long), 'answer')} too long for its context of {self.model.context} tokens)"
            )
        for attempt in range(self.section.tries):
            if not waiting:
                break
            prompts = [conversations[item] for item in waiting]
            seeds = [seed_from(self.seed, "judge", attempt, _digest(prompt)) for prompt in prompts]
            request = ChatRequest(prompts, self.section.samples, self._sampling(attempt), seeds)
            groups = self.model.answer(request, check_stop)
            for item, group in zip(waiting, groups, strict=True):
                scores[item] += [score for reply in group if (score := self._read(reply, item)) is not None]
            waiting = [item for item in waiting if not scores[item]]
        return {item: sum(values) / len(values) if values else None for item, values in scores.items()}

    def _sampling(self, attempt: int) -> Sampling:
        """Return the recipe's sampling. A second try is never greedy: it would repeat the first reply."""
        section = self.section
        temperature = section.temperature if attempt == 0 else max(section.temperature, 0.6)
        return Sampling(temperature=temperature, max_tokens=section.max_tokens)

    def _conversation(self, item: JudgeItem) -> Conversation:
        message = {"role": "user", "content": fill(self.section.rubric, item.question, item.completion, item.answer)}
        return [{"role": "system", "content": self.section.system}, message] if self.section.system else [message]

    def _read(self, reply: Answer, item: JudgeItem) -> float | None:
        expected = answer_id(item.question, item.completion) if "{id}" in self.section.rubric else None
        score = None if reply.refused else read_score(reply.text, self.model.opens_think, expected)
        if score is None:
            self.last_failure = f"(none: {reply.refused})" if reply.refused else reply.text
        return score


def _digest(conversation: Conversation) -> str:
    return hashlib.sha256(repr(conversation).encode("utf-8", "surrogatepass")).hexdigest()


def _line(text: str) -> str:
    """Return the end of a reply, where its score should be, without control characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text[-200:]).strip()
