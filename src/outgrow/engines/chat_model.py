"""Whoever answers questions: a policy with the engine that holds it, or a model that a server holds."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from ..policy import Policy, Sampling
from .engine import Engine

Conversation = list[dict[str, str]]  # turns, each with a role and a content, as chat templates take them


@dataclass(frozen=True)
class Answer:
    """What was written. finished: whether the token limit did not cut it. length: tokens, the one that ends it counted."""

    text: str
    finished: bool
    length: int


class ChatModel(Protocol):
    """Something one asks in words and gets words from: what is measured, or (a judge) measures."""

    @property
    def identity(self) -> str:
        """Who this is: equal for two that answer alike, as far as can be told."""

    @property
    def context(self) -> int:
        """Longest conversation and answer, in tokens."""

    @property
    def opens_think(self) -> bool:
        """Whether answers begin inside a <think> that the prompt has opened."""

    def conversation(self, question: str) -> Conversation:
        """What is asked where the question is a problem's."""

    def fits(self, conversation: Conversation, max_tokens: int) -> bool:
        """Whether there is room for an answer of so many tokens."""

    def answer(
        self,
        conversations: Sequence[Conversation],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        check_stop: Callable[[], None] = lambda: None,
    ) -> list[list[Answer]]:
        """n answers to each, in order; seeds and check_stop as `Engine.generate` has them."""


@dataclass(frozen=True)
class LocalModel:
    """A policy, and an engine that has taken over its weights."""

    policy: Policy
    engine: Engine

    @cached_property
    def identity(self) -> str:
        """The digest of the weights, what the model computes with them, its tokenizer, the chat template as it renders, and whose
        dice are thrown."""
        policy = self.policy
        config = policy.model.config.to_dict()
        told = {key: value for key, value in config.items() if key not in ("_name_or_path", "transformers_version")}
        rest = [told, policy.tokenizer.get_vocab(), str(policy.tokenizer.init_kwargs.get("eos_token")), policy.prompt_text("?")]
        rest.append(type(self.engine).__name__)
        return f"{policy.digest()} {hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()}"

    @property
    def context(self) -> int:
        """See `ChatModel.context`."""
        return self.policy.context

    @property
    def opens_think(self) -> bool:
        """See `ChatModel.opens_think`."""
        return self.policy.opens_think

    def conversation(self, question: str) -> Conversation:
        """See `ChatModel.conversation`."""
        return self.policy.prompt.messages(question, self.policy.tokenizer)

    def fits(self, conversation: Conversation, max_tokens: int) -> bool:
        """See `ChatModel.fits`."""
        return len(self.policy.chat_ids(conversation)) + max_tokens <= self.context

    def answer(
        self,
        conversations: Sequence[Conversation],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        check_stop: Callable[[], None] = lambda: None,
    ) -> list[list[Answer]]:
        """See `ChatModel.answer`. Raises UsageError where a conversation leaves no room for an answer."""
        prompts = [self.policy.chat_ids(conversation) for conversation in conversations]
        groups = self.engine.generate(prompts, n, sampling, seeds, check_stop)
        return [[Answer(r.text, r.finished, len(r.completion_ids)) for r in group] for group in groups]
