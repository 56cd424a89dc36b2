"""Answers from a model that a server holds, over the protocol that OpenAI's API made common (vLLM, llama.cpp, Ollama, …)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..core.errors import OutgrowError, UsageError
from ..core.rng import seed_from
from ..policy import Prompt, Sampling
from .chat_model import Answer, Conversation

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

_POLL_S = 0.1
_CONNECT_S = 5.0
_UNKNOWN = 2**30  # tokens: of its context the protocol says nothing, and the server itself refuses what is too long
_KEY = "OPENAI_API_KEY"


def is_served(model: str) -> bool:
    """Whether a model's name is the address of a server that holds it."""
    return model.startswith(("http://", "https://"))


class OpenAIServer:
    """A `Respondent` at an address such as http://localhost:8000/v1, with #NAME behind it where it serves several models.

    Its server applies the chat template and draws the tokens, with the seeds it is given where it heeds them; what a recipe does
    not say (a top_k of 0) may be filled in from the model's own generation settings, as vLLM does unless it is told
    `--generation-config vllm`. Whether it is an R1 model is not known here, so R1's instruction is asked only where the prompt
    says so. A request that fails for a reason that may pass (no connection, silence, 429, 5xx) is made again, a little later each
    time; the answers of a call are all there or none.
    """

    opens_think = False
    context = _UNKNOWN

    def __init__(
        self, address: str, prompt: Prompt | None = None, *, at_once: int = 16, tries: int = 8, timeout_s: float = 600
    ) -> None:
        """at_once: requests under way at the same time. tries: of each request. timeout_s: silence that ends a try; all tries of a
        request together have twice that.

        The key it asks for, if any, is OPENAI_API_KEY's. Raises UsageError where the address or the key cannot be one, or the
        prompt brings a chat template of its own.
        """
        self.url, _, self._name = address.partition("#")
        if not _is_address(self.url):
            raise UsageError(f"{self.url} is no address; write it as http://localhost:8000/v1")
        self.prompt = prompt or Prompt()
        if self.prompt.template is not None:
            raise UsageError(f"{self.url} applies its model's own chat template; leave prompt.template out of the recipe")
        self._key = os.environ.get(_KEY, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise UsageError(f"the environment variable {_KEY} holds what no key can hold; set it again")
        self._at_once, self._tries, self._timeout_s = at_once, tries, timeout_s

    @property
    def identity(self) -> str:
        """The address, with the name of the model it serves: which weights are behind that name cannot be told.

        Asks the server where no name was given. Raises as `answer` does."""
        if not self._name:
            from anyio.from_thread import start_blocking_portal

            with start_blocking_portal() as portal:
                portal.call(self._find)
        return f"{self.url}#{self._name}"

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
        check_stop: Callable[[], None] = lambda: None,
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
                    check_stop()
            except BaseException:
                under_way.cancel()
                raise
        answers = under_way.result()
        return [answers[first : first + n] for first in range(0, len(answers), n)]

    async def _ask(self, asked: list[dict[str, Any]]) -> list[Answer]:
        turns = asyncio.Semaphore(self._at_once)
        await self._find()
        async with self._client() as client:

            async def one(request: dict[str, Any]) -> Answer:
                async with turns:
                    return await self._said(client.chat.completions.create(model=self._name, **request), _read)

            tasks = [asyncio.create_task(one(request)) for request in asked]
            try:
                return list(await asyncio.gather(*tasks))
            finally:  # one has failed, or this was cancelled: the others are of no use
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _find(self) -> None:
        """Learn the model's name where none was given."""
        if not self._name:
            async with self._client() as client:
                self._name = self._only(await self._said(client.models.list(), _names))

    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI, Timeout

        patience = Timeout(self._timeout_s, connect=min(_CONNECT_S, self._timeout_s))
        # Most servers of one's own ask for no key, but the package does.
        return AsyncOpenAI(base_url=self.url, api_key=self._key or "none", max_retries=self._tries - 1, timeout=patience)

    def _only(self, names: list[str]) -> str:
        if len(names) == 1:
            return names[0]
        few = ", ".join(map(_line, names[:10])) + (", …" if names[10:] else "")
        raise UsageError(f"{self.url}: say which model is meant, as {self.url}#NAME" + (f" (it serves {few})" if few else ""))

    async def _said(self, request: Awaitable[Any], read: Callable[[Any], T]) -> T:
        """What `read` makes of what the server says. Raises OutgrowError with what a person can do where it says something else."""
        import openai

        try:
            async with asyncio.timeout(2 * self._timeout_s):
                return read(await request)
        except (openai.APITimeoutError, TimeoutError) as error:
            raise OutgrowError(f"{self.url}: silent for {self._timeout_s:g} s or more; is it stuck?") from error
        except openai.APIConnectionError as error:
            reason = self._reason(error.__cause__ or error)
            raise OutgrowError(f"{self.url}: cannot be reached, {self._tries} times over ({reason}); is it running?") from error
        except openai.AuthenticationError as error:
            raise OutgrowError(f"{self.url}: refuses the key; set the environment variable {_KEY}") from error
        except openai.NotFoundError as error:
            what = f"model {self._name!r}" if self._name else "list of models"
            raise OutgrowError(f"{self.url}: has no {what} there; most such addresses end in /v1") from error
        except openai.APIStatusError as error:
            raise OutgrowError(f"{self.url}: answers {error.status_code}, {self._reason(error)}") from error
        except Exception as error:  # the package checks no types, and raises whatever comes of what it did not expect
            what = "what it answers is not what an OpenAI-compatible server says; most such addresses end in /v1"
            raise OutgrowError(f"{self.url}: {what} ({self._reason(error)})") from error

    def _reason(self, error: BaseException) -> str:
        """The first line of an error's text, the server's own where it gave one, without the key."""
        body = getattr(error, "body", None)
        said = body.get("message") or body.get("detail") if isinstance(body, dict) else None
        text = _line(said if isinstance(said, str) else str(error)) or type(error).__name__
        return text.replace(self._key, "…") if self._key else text


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _settings(sampling: Sampling) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
    }
    # Not OpenAI's, but most others' servers know it.
    return {**settings, "extra_body": {"top_k": sampling.top_k}} if sampling.top_k else settings


def _names(page: Any) -> list[str]:
    names = [model.id for model in page.data]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("a model's id is no text")
    return names


def _read(completion: Any) -> Answer:
    """The answer in a chat completion. Nothing in it is taken on trust."""
    [choice] = completion.choices
    message, usage = choice.message, completion.usage
    if usage is None:
        raise TypeError("it does not say how many tokens it wrote (usage)")
    # Servers that part the thoughts from the answer call them one or the other.
    thoughts = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""
    text, length = message.content or "", usage.completion_tokens
    if not all(isinstance(part, str) for part in (thoughts, text, choice.finish_reason)):
        raise TypeError("a text is none")
    if not isinstance(length, int) or not 0 <= length < _UNKNOWN:
        raise TypeError("a number of tokens is none")
    whole = f"<think>{thoughts}</think>{text}" if thoughts else text
    # JSON can spell half of a pair of surrogates, which no file takes.
    return Answer(whole.encode("utf-8", "replace").decode(), choice.finish_reason != "length", length)


def _line(text: str) -> str:
    """The first line of a text, what a terminal would obey left out."""
    lines = text.strip().splitlines()
    return "".join(letter for letter in lines[0][:300] if letter.isprintable()) if lines else ""
