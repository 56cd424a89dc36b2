"""Models that answer conversations: a policy in this process, or a model behind an address."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ..core.callbacks import CheckStop, OnText, OnWritten, never_stop, untold
from ..policy import Policy, Sampling
from ..policy.unknown_characters import unknown_characters
from ..types import Turns
from .engine import Engine, GenerationRequest

Conversation = list[dict[str, str]]
"""Turns, each with a role and a content, as chat templates take them."""


@dataclass(frozen=True)
class ChatRequest:
    """Answers to write: n to each conversation."""

    conversations: Sequence[Conversation]
    """Each ends with the turn that is answered."""
    n: int
    """Answers to each conversation."""
    sampling: Sampling
    """Distribution that the tokens are drawn from, and the longest answer."""
    seeds: Sequence[int]
    """One for each conversation. Its draws depend on its seed only, not on the other conversations."""
    on_written: OnWritten = field(default=untold, compare=False, repr=False)
    """Called as often as `check_stop`, with what this call has written so far."""
    on_text: OnText | None = field(default=None, compare=False, repr=False)
    """Called at every token of the first answer, by models in this process; None where nobody reads along."""


@dataclass(frozen=True)
class Answer:
    """What a model wrote."""

    text: str
    """The answer, with its thoughts if the model thinks."""
    finished: bool
    """Whether the model ended it. Otherwise the token limit cut it."""
    length: int | None
    """Tokens of the answer, its end token included; None where a server does not say."""
    refused: str = ""
    """Why a server refused the prompt, for example as too long; empty where it answered. A refused prompt counts as failed."""


class ChatModel(ABC):
    """Answers questions in words. It is measured, or (a judge) it measures others."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Which model this is: equal for two models that answer alike, as far as that is known."""

    @property
    @abstractmethod
    def context(self) -> int:
        """Longest conversation and answer together, in tokens."""

    @property
    @abstractmethod
    def opens_think(self) -> bool:
        """Whether answers begin inside a <think> that the prompt has opened."""

    @abstractmethod
    def conversation(self, question: str, turns: Turns = ()) -> Conversation:
        """Return the conversation that puts a problem's question, behind the turns before it."""

    @abstractmethod
    def room(self, conversation: Conversation) -> int:
        """Return how many tokens of the context the conversation leaves for an answer; below 0 where it is itself too long."""

    def unknown_characters(self, text: str) -> list[str]:
        """Return the characters of a text that the model cannot read (see policy/unknown_characters.py); a server does not say."""
        return []

    @abstractmethod
    def answer(self, request: ChatRequest, check_stop: CheckStop = never_stop) -> list[list[Answer]]:
        """Return n answers to each conversation, in order.

        check_stop: called often; what it raises ends the call.
        Raises UsageError where a conversation leaves no room for an answer, OutgrowError where a server is out of reach, refuses,
        or sends something that is not an answer.
        """


@dataclass(frozen=True)
class WrappedModel(ChatModel):
    """A `ChatModel` that is another one in all but how it answers. A subclass writes `answer`."""

    model: ChatModel

    @property
    def identity(self) -> str:
        return self.model.identity

    @property
    def context(self) -> int:
        return self.model.context

    @property
    def opens_think(self) -> bool:
        return self.model.opens_think

    def conversation(self, question: str, turns: Turns = ()) -> Conversation:
        return self.model.conversation(question, turns)

    def room(self, conversation: Conversation) -> int:
        return self.model.room(conversation)

    def unknown_characters(self, text: str) -> list[str]:
        return self.model.unknown_characters(text)


@dataclass(frozen=True)
class LocalModel(ChatModel):
    """A policy, and an engine that holds its present weights."""

    policy: Policy
    engine: Engine

    @cached_property
    def identity(self) -> str:
        """Digest of all that decides the answers: weights, architecture, tokenizer, end tokens, chat template, engine."""
        policy = self.policy
        parts = [
            policy.spec().settings,
            policy.tokenizer.get_vocab(),
            policy.end_ids,
            policy.prompt_text("?"),
            type(self.engine).__name__,
        ]
        return f"{policy.digest()} {hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()}"

    @property
    def context(self) -> int:
        return self.policy.context

    @property
    def opens_think(self) -> bool:
        return self.policy.opens_think

    def conversation(self, question: str, turns: Turns = ()) -> Conversation:
        return self.policy.conversation(question, turns)

    def room(self, conversation: Conversation) -> int:
        return self.context - len(self.policy.chat_ids(conversation))

    def unknown_characters(self, text: str) -> list[str]:
        return unknown_characters(self.policy.tokenizer, text)

    def answer(self, request: ChatRequest, check_stop: CheckStop = never_stop) -> list[list[Answer]]:
        prompts = [self.policy.chat_ids(conversation) for conversation in request.conversations]
        asked = GenerationRequest(prompts, request.n, request.sampling, request.seeds, request.on_written, request.on_text)
        groups = self.engine.generate(asked, check_stop)
        return [[Answer(r.text, r.finished, len(r.completion_ids)) for r in group] for group in groups]
