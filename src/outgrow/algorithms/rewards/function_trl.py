"""A reward function as TRL's GRPOTrainer takes it (TRL 1.16, `GRPOTrainer._calculate_rewards`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from ...core.errors import OutgrowError
from ...problems.cell import plain
from ...problems.chat import is_chat
from ...types import GradedGroup, Problem
from .function import RewardFunction, accepted, columns_of, required, settled

_NOT_COLUMNS = ("prompt", "completion", "completion_ids")  # of a row; the function gets its own
_LOGGERS = ("log_extra", "log_metric")


@dataclass(frozen=True)
class TrainerState:
    """What a function is told of the training, by the names of transformers' TrainerState."""

    global_step: int
    """Training steps that are done."""
    max_steps: int
    """Training steps of the whole run."""


class TRLFunction(RewardFunction):
    """`f(completions, **columns) -> list[float | None]`, called once for each group.

    Each argument is a list with an entry for each completion: `completions`, `prompts`, `completion_ids` and every column of the
    data. `trainer_state` has `global_step` and `max_steps`. None says that the function does not apply, and pays 0.
    """

    conversational: bool | None = Field(
        default=None,
        description="Whether a completion is a list of messages, and not a text. Default: as the questions of the data are.",
    )

    def arguments(self, problem: Problem) -> Mapping[str, Any]:
        names = ("prompts", "completions", "completion_ids", "trainer_state", *_LOGGERS)
        return {**columns_of(problem), **dict.fromkeys(names)}

    def pay(self, group: GradedGroup) -> list[float]:
        function, n = self.function, len(group.rollouts)
        columns, messages = columns_of(group.problem), self._in_messages(group.problem)
        given = {
            **{name: [value] * n for name, value in columns.items() if name not in _NOT_COLUMNS},
            "prompts": [_prompt(group.problem, columns, messages)] * n,
            "completions": [_completion(rollout.text, messages) for rollout in group.rollouts],
            "completion_ids": [list(rollout.completion_ids) for rollout in group.rollouts],
            "trainer_state": TrainerState(group.step - 1, group.steps),
            # What it logs is not kept; a function that must have a logger still runs.
            **{name: _ignore for name in _LOGGERS if name in required(function)},
        }
        [values] = settled([function(**accepted(function, given))])
        values = plain(values)
        if not isinstance(values, list | tuple) or len(values) != n:
            shown = f"{len(values)} values" if isinstance(values, list | tuple) else f"{values!r:.60} ({type(values).__name__})"
            raise OutgrowError(
                f"reward {self.type!r} returned {shown} for {n} completions of problem {group.problem.id!r}; it must return a list "
                "with a number for each completion"
            )
        return [0.0 if value is None else self.number(value, index, group) for index, value in enumerate(values)]

    def hint(self, error: Exception) -> str:
        if not isinstance(error, TypeError | AttributeError):
            return ""
        return '; completions are texts, or messages where the data holds chats: "conversational" of this reward changes that'

    def _in_messages(self, problem: Problem) -> bool:
        if self.conversational is not None:
            return self.conversational
        return bool(problem.turns) or is_chat(columns_of(problem).get("prompt"))


def _prompt(problem: Problem, columns: Mapping[str, Any], messages: bool) -> Any:
    """Return what the data asks: the conversation, or the question's text."""
    if not messages:
        return problem.question
    if is_chat(columns.get("prompt")):
        return columns["prompt"]
    return [{"role": role, "content": text} for role, text in (*problem.turns, ("user", problem.question))]


def _completion(text: str, messages: bool) -> Any:
    return [{"role": "assistant", "content": text}] if messages else text


_ignore: Callable[..., None] = lambda *args, **kwargs: None  # noqa: E731
