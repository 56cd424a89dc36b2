"""Answers of a model behind an address that speaks OpenAI's protocol (vLLM, llama.cpp, Ollama and others)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ..core.callbacks import CheckStop, never_stop
from ..core.errors import OutgrowError, UsageError
from ..core.rng import seed_from
from ..policy import Prompt, Sampling
from .chat_model import Answer, ChatModel, ChatRequest, Conversation

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

AT_ONCE = 16
"""Requests to a server at the same time."""

_POLL_S = 0.1
_CONNECT_S = 5.0
_UNKNOWN = 2**30  # tokens; the protocol does not say the context, and the server refuses what is too long
_KEY = "OPENAI_API_KEY"


def is_served(model: str) -> bool:
    """Whether a model's name is the address of a server."""
    return model.startswith(("http://", "https://"))


class OpenAIServer(ChatModel):
    """A model at an address such as http://localhost:8000/v1, followed by #NAME if the server has several models.

    The server applies the chat template and draws the tokens. Some servers ignore the seeds. A server may fill in a setting that
    the request does not contain (top_k, where it is 0) from the model's own generation settings, as vLLM does unless it was started
    with `--generation-config vllm`. R1's instruction is added only if the recipe's `prompt.user_template` holds it, since it is not
    known here whether the model is an R1 model. A request that fails for a temporary reason (no connection, silence, 429, 5xx) is
    repeated, after a longer pause each time. A call returns all answers or raises.
    """

    opens_think = False
    context = _UNKNOWN

    def __init__(
        self, address: str, prompt: Prompt | None = None, *, at_once: int = AT_ONCE, tries: int = 8, timeout_s: float = 600
    ) -> None:
        """at_once: requests at the same time. tries: of each request. timeout_s: seconds of silence that end a try; all tries of a
        request together take up to twice that.

        The server's key, if it needs one, is the environment variable OPENAI_API_KEY. Raises UsageError where the address or the
        key is invalid, or where the prompt has a chat template.
        """
        self.url, _, self._name = address.partition("#")
        if not _is_address(self.url):
            raise UsageError(f"{self.url} is not an address; write it as http://localhost:8000/v1")
        self.prompt = prompt or Prompt()
        if self.prompt.template is not None:
            raise UsageError(f"{self.url} applies its model's own chat template; remove prompt.template from the recipe")
        self._key = os.environ.get(_KEY, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise UsageError(f"the environment variable {_KEY} contains invalid characters; set it again")
        self._at_once, self._tries, self._timeout_s = at_once, tries, timeout_s

    @property
    def identity(self) -> str:
        """Address and name of the model; the weights behind that name are unknown.

        Asks the server where no name was given. Raises as `answer` does.
        """
        if not self._name:
            from anyio.from_thread import start_blocking_portal

            with start_blocking_portal() as portal:
                portal.call(self._find_name)
        return f"{self.url}#{self._name}"

    def card(self) -> dict[str, Any]:
        """Return what the server's list of models says of the model; empty where it has no such list.

        Raises as `answer` does where the server cannot be reached.
        """
        import openai
        from anyio.from_thread import start_blocking_portal

        async def cards() -> list[dict[str, Any]]:
            await self._find_name()
            async with self._client() as client:
                return await self._receive(client.models.list(), lambda page: [model.model_dump() for model in page.data])

        try:
            with start_blocking_portal() as portal:
                listed = portal.call(cards)
        except OutgrowError as error:
            if isinstance(error.__cause__, openai.APIConnectionError | TimeoutError):
                raise
            return {}
        return next((card for card in listed if card.get("id") == self._name), {})

    def conversation(self, question: str) -> Conversation:
        return self.prompt.messages(question)

    def fits(self, conversation: Conversation, max_tokens: int) -> bool:
        return True

    def answer(self, request: ChatRequest, check_stop: CheckStop = never_stop) -> list[list[Answer]]:
        from anyio.from_thread import start_blocking_portal

        # A request for each answer, each with its own seed: not every server takes n.
        bodies = [
            {"messages": conversation, "seed": seed_from(seed, "draw", index) % 2**31, **_settings(request.sampling)}
            for conversation, seed in zip(request.conversations, request.seeds, strict=True)
            for index in range(request.n)
        ]
        # The event loop runs in its own thread: this works inside another loop (a notebook's), and signals arrive here.
        with start_blocking_portal() as portal:
            pending = portal.start_task_soon(self._send_all, bodies)
            try:
                while not wait([pending], _POLL_S).done:
                    check_stop()
            except BaseException:
                pending.cancel()
                raise
        answers = pending.result()
        return [answers[first : first + request.n] for first in range(0, len(answers), request.n)]

    async def _send_all(self, bodies: list[dict[str, Any]]) -> list[Answer]:
        slots = asyncio.Semaphore(self._at_once)
        await self._find_name()
        async with self._client() as client:

            async def send(body: dict[str, Any]) -> Answer:
                async with slots:
                    return await self._receive(client.chat.completions.create(model=self._name, **body), _read_answer)

            tasks = [asyncio.create_task(send(body)) for body in bodies]
            try:
                return list(await asyncio.gather(*tasks))
            finally:  # after a failure or a cancellation the other answers are useless
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _find_name(self) -> None:
        """Ask the server for the model's name where none was given."""
        if not self._name:
            async with self._client() as client:
                self._name = self._only(await self._receive(client.models.list(), _read_names))

    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI, Timeout

        timeout = Timeout(self._timeout_s, connect=min(_CONNECT_S, self._timeout_s))
        # Most local servers need no key, but the package does.
        return AsyncOpenAI(base_url=self.url, api_key=self._key or "none", max_retries=self._tries - 1, timeout=timeout)

    def _only(self, names: list[str]) -> str:
        if len(names) == 1:
            return names[0]
        few = ", ".join(map(_line, names[:10])) + (", …" if names[10:] else "")
        raise UsageError(f"{self.url}: name the model, as {self.url}#NAME" + (f" (it has {few})" if few else ""))

    async def _receive(self, response: Awaitable[Any], read: Callable[[Any], T]) -> T:
        """Wait for the response and return what `read` makes of it. Raises OutgrowError, with what to do, where that fails."""
        import openai

        try:
            async with asyncio.timeout(2 * self._timeout_s):
                return read(await response)
        except (openai.APITimeoutError, TimeoutError) as error:
            raise OutgrowError(f"{self.url}: no answer within {self._timeout_s:g} s; check whether the server is stuck") from error
        except openai.APIConnectionError as error:
            reason = self._reason(error.__cause__ or error)
            raise OutgrowError(
                f"{self.url}: cannot be reached after {self._tries} tries ({reason}); check whether the server is running"
            ) from error
        except openai.AuthenticationError as error:
            raise OutgrowError(f"{self.url}: refuses the key; set the environment variable {_KEY}") from error
        except openai.NotFoundError as error:
            what = f"model {self._name!r}" if self._name else "list of models"
            raise OutgrowError(f"{self.url}: no {what} at this address; most such addresses end in /v1") from error
        except openai.APIStatusError as error:
            raise OutgrowError(f"{self.url}: answers {error.status_code}, {self._reason(error)}") from error
        except Exception as error:  # the package checks no types, so an unexpected response can raise anything
            what = "the response is not that of an OpenAI-compatible server; most such addresses end in /v1"
            raise OutgrowError(f"{self.url}: {what} ({self._reason(error)})") from error

    def _reason(self, error: BaseException) -> str:
        """Return the first line of an error's text, the server's own if it sent one, without the key."""
        body = getattr(error, "body", None)
        message = body.get("message") or body.get("detail") if isinstance(body, dict) else None
        text = _line(message if isinstance(message, str) else str(error)) or type(error).__name__
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
    # Not part of OpenAI's API, but most other servers know it.
    return {**settings, "extra_body": {"top_k": sampling.top_k}} if sampling.top_k else settings


def _read_names(page: Any) -> list[str]:
    names = [model.id for model in page.data]
    if not all(isinstance(name, str) for name in names):
        raise TypeError("a model's id is not text")
    return names


def _read_answer(completion: Any) -> Answer:
    """Return the answer in a chat completion. Raises where a part of it is missing or has another type."""
    [choice] = completion.choices
    message, usage = choice.message, completion.usage
    if usage is None:
        raise TypeError("it does not say the number of tokens (usage)")
    # Servers that separate thoughts from the answer use one of these two names.
    thoughts = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None) or ""
    text, length = message.content or "", usage.completion_tokens
    if not all(isinstance(part, str) for part in (thoughts, text, choice.finish_reason)):
        raise TypeError("a text is not text")
    if not isinstance(length, int) or not 0 <= length < _UNKNOWN:
        raise TypeError("a number of tokens is not a number")
    whole = f"<think>{thoughts}</think>{text}" if thoughts else text
    # JSON can hold half of a surrogate pair, which cannot be written to a file.
    return Answer(whole.encode("utf-8", "replace").decode(), choice.finish_reason != "length", length)


def _line(text: str) -> str:
    """Return the first line of a text without control characters."""
    lines = text.strip().splitlines()
    return "".join(letter for letter in lines[0][:300] if letter.isprintable()) if lines else ""
