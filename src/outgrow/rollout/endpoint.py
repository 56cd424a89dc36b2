"""Answers from a model that a server holds, over the protocol that OpenAI's API made common (vLLM, llama.cpp, Ollama, …)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

from ..errors import OutgrowError, UsageError
from ..keyed import seed_from
from ..policy import Prompt, Sampling
from .respondent import Answer, Conversation

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_POLL_S = 0.1
_UNKNOWN = 2**30  # tokens: of its context the protocol says nothing, and the server itself refuses what is too long


class Endpoint:
    """A `Respondent` at an address such as http://localhost:8000/v1, with #NAME behind it where it serves several models.

    Its server applies the chat template and draws the tokens, with the seeds it is given where it heeds them. A request that
    fails for a reason that may pass (no connection, a timeout, 429, 5xx) is made again, a little later each time.
    """

    opens_think = False
    context = _UNKNOWN

    def __init__(
        self, address: str, prompt: Prompt | None = None, *, at_once: int = 32, tries: int = 5, timeout_s: float = 600
    ) -> None:
        """at_once: requests under way at the same time. tries: of each request. timeout_s: of each try.

        The key it asks for, if any, is OPENAI_API_KEY's. Raises UsageError where the prompt brings a chat template of its own.
        """
        self.url, _, self._name = address.partition("#")
        self.prompt = prompt or Prompt()
        if self.prompt.template is not None:
            raise UsageError(f"{self.url} applies its model's own chat template; leave prompt.template out of the recipe")
        self._at_once, self._tries, self._timeout_s = at_once, tries, timeout_s

    def conversation(self, question: str) -> Conversation:
        """See `Respondent.conversation`."""
        return self.prompt.messages(question)

    def fits(self, conversation: Conversation, max_tokens: int) -> bool:
        """See `Respondent.fits`."""
        return True

    def answer(
        self,
        conversations: Sequence[Conversation],
        n: int,
        sampling: Sampling,
        seeds: Sequence[int],
        poll: Callable[[], None] = lambda: None,
    ) -> list[list[Answer]]:
        """See `Respondent.answer`. Raises OutgrowError where the server is gone, refuses, or answers with something else."""
        from anyio.from_thread import start_blocking_portal

        # A request for each answer, with a seed of its own: not every server takes n.
        asked = [
            {"messages": conversation, "seed": seed_from(seed, "draw", index) % 2**31, **_settings(sampling)}
            for conversation, seed in zip(conversations, seeds, strict=True)
            for index in range(n)
        ]
        # The event loop has a thread of its own, so that this works inside another (a notebook's), and a signal is heard.
        with start_blocking_portal() as portal:
            under_way = portal.start_task_soon(self._ask, asked)
            try:
                while not wait([under_way], _POLL_S).done:
                    poll()
            except BaseException:
                under_way.cancel()
                raise
        answers = under_way.result()
        return [answers[first : first + n] for first in range(0, len(answers), n)]

    async def _ask(self, asked: list[dict[str, Any]]) -> list[Answer]:
        from openai import AsyncOpenAI

        turns = asyncio.Semaphore(self._at_once)
        key = os.environ.get("OPENAI_API_KEY") or "none"  # most servers of one's own ask for none, but the package does
        async with AsyncOpenAI(base_url=self.url, api_key=key, max_retries=self._tries - 1, timeout=self._timeout_s) as client:

            async def one(request: dict[str, Any]) -> Answer:
                async with turns:
                    return _read(self.url, await self._told(client.chat.completions.create(model=self._name, **request)))

            self._name = self._name or await self._only_model(client)
            tasks = [asyncio.create_task(one(request)) for request in asked]
            try:
                return list(await asyncio.gather(*tasks))
            finally:  # one has failed, or this was cancelled: the others are of no use
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _only_model(self, client: AsyncOpenAI) -> str:
        page = await self._told(client.models.list())
        names = [getattr(model, "id", None) for model in getattr(page, "data", None) or []]
        if len(names) == 1 and isinstance(names[0], str):
            return names[0]
        known = f" (it serves {', '.join(map(str, names))})" if names else ""
        raise UsageError(f"{self.url}: say which model is meant, as {self.url}#NAME{known}")

    async def _told(self, request: Any) -> Any:
        """What the server says. Raises OutgrowError with what a person can do where it says something else."""
        import openai

        try:
            return await request
        except openai.APITimeoutError as error:
            raise OutgrowError(
                f"{self.url}: no answer within {self._timeout_s:g} s, {self._tries} times over; is it stuck?"
            ) from error
        except openai.APIConnectionError as error:
            reason = error.__cause__ or error
            raise OutgrowError(f"{self.url}: cannot be reached, {self._tries} times over ({reason}); is it running?") from error
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise OutgrowError(f"{self.url}: refuses the key; set the environment variable OPENAI_API_KEY") from error
        except openai.NotFoundError as error:
            what = f"model {self._name!r}" if self._name else "list of models"
            raise OutgrowError(f"{self.url}: has no {what} there; most such addresses end in /v1") from error
        except openai.APIStatusError as error:
            raise OutgrowError(f"{self.url}: {error.status_code}, {_first_line(error)}") from error
        except (openai.OpenAIError, ValueError) as error:
            raise OutgrowError(f"{self.url}: {_NONSENSE} ({_first_line(error)})") from error


_NONSENSE = "what it answers is not a chat completion; is this an OpenAI-compatible server?"


def _settings(sampling: Sampling) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
    }
    # Not OpenAI's, but most others' servers know it.
    return {**settings, "extra_body": {"top_k": sampling.top_k}} if sampling.top_k else settings


def _read(url: str, completion: Any) -> Answer:
    """The answer in a chat completion. Nothing in it is taken on trust: the package checks no types."""
    try:
        [choice] = completion.choices
        message, length = choice.message, completion.usage.completion_tokens
        # Servers that part the thoughts from the answer call them one or the other.
        thoughts = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""
        text, reason = message.content or "", choice.finish_reason
        sound = all(isinstance(part, str) for part in (thoughts, text, reason)) and isinstance(length, int) and length >= 0
    except (AttributeError, TypeError, ValueError):
        sound = False
    if not sound:
        raise OutgrowError(f"{url}: {_NONSENSE}")
    return Answer(f"<think>{thoughts}</think>{text}" if thoughts else text, reason != "length", length)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
