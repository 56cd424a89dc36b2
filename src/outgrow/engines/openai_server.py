"""Answers of a model behind an address that speaks OpenAI's protocol (vLLM, llama.cpp, Ollama and others)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.addresses import parse_address
from ..core.callbacks import CheckStop, Warn, Written, never_stop, quiet
from ..core.errors import OutgrowError, UsageError
from ..core.rng import seed_from
from ..policy import Prompt
from ..types import Turns
from .chat_model import Answer, ChatModel, ChatRequest, Conversation
from .server_answer import read_answer, tells_end
from .server_errors import error_text, refused_setting, refuses_prompt
from .server_key import binding_line, key_for
from .server_models import Card, card_of, owner_of, read_models
from .server_settings import draws_by, omission_notice, request_settings

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

T = TypeVar("T")

AT_ONCE = 16
"""Requests to a server at the same time."""

_POLL_S = 0.1
_CONNECT_S = 5.0
_UNKNOWN = 2**30  # tokens; the protocol does not say the context, and the server refuses what is too long
_OMIT_KEY = "server.omit_settings"


class UnreadableReply(OutgrowError):
    """A reply that is not an answer of this protocol, is too long, or does not end."""

    def __init__(self, message: str, reason: str) -> None:
        """message: the error's line. reason: what is wrong with the reply, without the server."""
        super().__init__(message)
        self.reason = reason


class OpenAIServer(ChatModel):
    """A model at an address such as http://localhost:8000/v1, followed by #NAME if the server has several models.

    The server applies the chat template and draws the tokens. Some servers ignore the seeds. A server fills in settings that the
    request does not contain; llama.cpp, vLLM and SGLang are sent all that would leave out tokens (`request_settings`). R1's
    instruction is added only if the recipe's `prompt.user_template` holds it, since it is not
    known here whether the model is an R1 model. A request that fails for a temporary reason (no connection, silence, 429, 5xx, an
    error sent with status 200) is repeated, after a longer pause each time. A prompt that the server refuses (too long, a content
    filter) gets an answer that says so (`Answer.refused`). A call returns all answers or raises.

    It gets a key only where a person bound one to its host (`server_key`). No redirect is followed. Messages show the host only.
    """

    opens_think = False
    context = _UNKNOWN

    def __init__(
        self, address: str, prompt: Prompt | None = None, *, at_once: int = AT_ONCE, tries: int = 8, timeout_s: float = 600,
        omit_settings: Sequence[str] = (), omit_key: str = _OMIT_KEY, refuse_unreadable: bool = False, warn: Warn = quiet,
    ) -> None:  # fmt: skip
        """at_once: requests at the same time. tries: of each request. timeout_s: seconds of silence that end a try; all tries of a
        request together take up to twice that. omit_settings: what is not sent (`server_settings`). omit_key: the recipe's key
        that sets them, for messages. refuse_unreadable: whether a reply that cannot be read counts as a refused prompt, where it
        would end the call. warn: takes what a person should know.

        Raises UsageError where the address is refused (`parse_address`), its key is invalid, or the prompt has a chat template.
        """
        self._address = parse_address(address)
        self.host, self._name = self._address.host, self._address.model
        self._owner: str | None = None  # `owned_by` in its list of models; None before it was asked
        self.prompt = prompt or Prompt()
        if self.prompt.template is not None:
            raise UsageError(f"{self.host} applies its model's own chat template; remove prompt.template from the recipe")
        self._key = key_for(self.host)
        self._at_once, self._tries, self._timeout_s = at_once, tries, timeout_s
        self.omit_settings, self._omit_key, self._warn = tuple(dict.fromkeys(omit_settings)), omit_key, warn
        self._refuse_unreadable = refuse_unreadable
        self._warned: set[str] = set()
        if notice := omission_notice(self.omit_settings):
            self._warn(f"{self.host}: {notice}")
        if self._key:
            self._warn(f"{self.host}: gets the key in {self._key.variable}")

    @property
    def identity(self) -> str:
        """Address and name of the model, and the settings that are not sent; the weights behind that name are unknown.

        Asks the server for its list of models, once. Raises as `answer` does.
        """
        owner = self._wait_for(self._meet)
        without = f" without {','.join(self.omit_settings)}" if self.omit_settings else ""
        return f"{self._address.url}{without}{draws_by(owner)}#{self._name}"

    @property
    def shown(self) -> str:
        """Host and name of the model, for messages. Raises as `answer` does."""
        return f"{self.host}#{self.identity.rpartition('#')[2]}"

    def card(self) -> Card:
        """Return what the server's list of models says of the model; empty where it has no such list.

        Raises as `answer` does where the server cannot be reached.
        """
        self._wait_for(self._meet)
        return card_of(self._name, self._wait_for(self._models))

    def conversation(self, question: str, turns: Turns = ()) -> Conversation:
        return self.prompt.messages(question, turns=turns)

    def room(self, conversation: Conversation) -> int:
        return self.context

    def answer(self, request: ChatRequest, check_stop: CheckStop = never_stop) -> list[list[Answer]]:
        from anyio.from_thread import start_blocking_portal

        # The event loop runs in its own thread: this works inside another loop (a notebook's), and signals arrive here.
        received: list[Answer] = []  # in the order in which they come
        with start_blocking_portal() as portal:
            pending = portal.start_task_soon(self._send_all, request, received.append)
            try:
                while not wait([pending], _POLL_S).done:
                    check_stop()
                    request.on_written(Written(len(received), sum(answer.length or 0 for answer in received)))
            except BaseException:
                pending.cancel()
                raise
        answers = pending.result()
        return [answers[first : first + request.n] for first in range(0, len(answers), request.n)]

    async def _send_all(self, request: ChatRequest, on_answer: Callable[[Answer], None]) -> list[Answer]:
        slots, owner = asyncio.Semaphore(self._at_once), await self._meet()
        # A request for each answer, each with its own seed: not every server takes n.
        bodies = [
            {
                "messages": conversation,
                **request_settings(request.sampling, seed_from(seed, "draw", index) % 2**31, self.omit_settings, owner),
            }
            for conversation, seed in zip(request.conversations, request.seeds, strict=True)
            for index in range(request.n)
        ]
        async with self._client() as client:

            async def send(body: dict[str, Any]) -> Answer:
                async with slots:
                    answer = await self._ask(client, body)
                on_answer(answer)
                return answer

            tasks = [asyncio.create_task(send(body)) for body in bodies]
            try:
                return list(await asyncio.gather(*tasks))
            finally:  # after a failure or a cancellation the other answers are useless
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, client: AsyncOpenAI, body: dict[str, Any]) -> Answer:
        """Return the answer to one request. Raises as `answer` does."""
        settings = {name: value for name, value in body.items() if name != "messages"}
        limit = settings.get("max_tokens") or settings.get("max_completion_tokens")
        response = client.chat.completions.create(model=self._name, messages=body["messages"], extra_body=settings)
        try:
            answer = await self._receive(response, partial(self._read, limit), partial(self._refusal, settings))
        except UnreadableReply as error:
            if not self._refuse_unreadable:
                raise
            self._warn_once("unreadable", f"sent a reply that cannot be read ({error.reason}); such answers count as failed")
            return Answer("", True, None, error.reason)
        if answer.refused:
            self._warn_once("refused", f"refuses a prompt ({answer.refused}); refused prompts count as failed")
        return answer

    def _read(self, limit: int | None, completion: Any) -> Answer:
        answer = read_answer(completion, limit)
        if answer.length is None:
            self._warn_once("length", "does not say how many tokens an answer has (usage), so lengths are not measured")
            if not tells_end(completion):
                self._warn_once(
                    "end", "does not say why an answer ends (finish_reason), so answers that were cut are not told apart"
                )
        return answer

    def _refusal(self, sent: dict[str, Any], error: APIStatusError) -> Answer | None:
        """Return the answer to a refused prompt; None for another error. Raises UsageError where a setting is refused."""
        status, text = error.status_code, error_text(error.body) or str(error)
        if name := refused_setting(status, text, error.param, list(sent)):
            names, why = (*self.omit_settings, name), self._reason(error)
            listed = ", ".join(f'"{other}"' for other in names)
            option = f", or use --omit-settings {','.join(names)}" if self._omit_key == _OMIT_KEY else ""
            raise UsageError(
                f"{self.host}: refuses the setting {name} ({why}); set {self._omit_key} = [{listed}] in the recipe{option}"
            ) from error
        return Answer("", True, None, self._reason(error)) if refuses_prompt(status, text) else None

    def _warn_once(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._warn(f"{self.host}: {text}")

    def _wait_for(self, ask: Callable[[], Awaitable[T]]) -> T:
        from anyio.from_thread import start_blocking_portal

        with start_blocking_portal() as portal:
            return portal.call(ask)

    async def _meet(self) -> str:
        """Return what software the server is. Its list of models is asked once, for the model's name too where none was given."""
        if self._owner is None:
            cards = await self._models()
            self._name = self._name or self._only([card["id"] for card in cards])
            self._owner = owner_of(self._name, cards)
        return self._owner

    async def _models(self) -> list[Card]:
        """Return the server's list of models; empty where it has none and the model's name is known."""
        import openai

        try:
            async with self._client() as client:
                return await self._receive(client.models.list(), partial(read_models, bool(self._name)))
        except OutgrowError as error:
            if not self._name or isinstance(error.__cause__, openai.APIConnectionError | TimeoutError):
                raise
            return []

    def _client(self) -> AsyncOpenAI:
        from openai import Timeout

        from .server_client import open_client

        timeout = Timeout(self._timeout_s, connect=min(_CONNECT_S, self._timeout_s))
        return open_client(self._address, self._key, self._tries, timeout, self._timeout_s)

    def _only(self, names: list[str]) -> str:
        if len(names) == 1:
            return names[0]
        few = ", ".join(map(_line, names[:10])) + (", …" if names[10:] else "")
        raise UsageError(f"{self.host}: add the model's name to the address, as ADDRESS#NAME" + (f" (it has {few})" if few else ""))

    async def _receive(
        self,
        response: Awaitable[Any],
        read: Callable[[Any], T],
        refusal: Callable[[APIStatusError], T | None] = lambda _: None,
    ) -> T:
        """Wait for the response and return what `read` makes of it, or what `refusal` makes of an error.

        Raises OutgrowError, with what to do, where that fails.
        """
        import openai

        from .server_client import ReplyError

        try:
            async with asyncio.timeout(2 * self._timeout_s):
                return read(await response)
        except (openai.APITimeoutError, TimeoutError) as error:
            raise OutgrowError(f"{self.host}: no answer within {self._timeout_s:g} s; check whether the server is stuck") from error
        except openai.APIConnectionError as error:
            reason = self._reason(error.__cause__ or error)
            raise OutgrowError(
                f"{self.host}: cannot be reached after {self._tries} tries ({reason}); check whether the server is running"
            ) from error
        except openai.AuthenticationError as error:
            raise OutgrowError(f"{self.host}: {self._key_advice()}") from error
        except openai.NotFoundError as error:
            what = f"model {self._name!r}" if self._name else "list of models"
            raise OutgrowError(f"{self.host}: no {what} at this address; most such addresses end in /v1") from error
        except openai.APIStatusError as error:
            if (refused := refusal(error)) is not None:
                return refused
            if 300 <= error.status_code < 400:
                raise OutgrowError(
                    f"{self.host}: sends requests on to another address ({error.status_code}), which is not followed; "
                    "give the address where the server itself is"
                ) from error
            raise OutgrowError(f"{self.host}: answers {error.status_code}, {self._reason(error)}") from error
        except ReplyError as error:
            message = f"{self.host}: {error}; check whether this is the server that you mean"
            raise UnreadableReply(message, str(error)) from error
        except Exception as error:  # the package checks no types, so an unexpected response can raise anything
            what = "the response is not that of an OpenAI-compatible server; most such addresses end in /v1"
            raise UnreadableReply(f"{self.host}: {what} ({self._reason(error)})", self._reason(error)) from error

    def _key_advice(self) -> str:
        """Return what to do about a refused request, where the server says that the key is the reason."""
        if self._key:
            return f"refuses the key; set the environment variable {self._key.variable}"
        return (
            f"asks for a key, and none is bound to this host; if it may have the key in OPENAI_API_KEY: {binding_line(self.host)}"
        )

    def _reason(self, error: BaseException) -> str:
        """Return the first line of an error's text, the server's own if it sent one."""
        body = getattr(error, "body", None)
        message = body.get("message") or body.get("detail") if isinstance(body, dict) else body
        return _line(message if isinstance(message, str) else str(error)) or type(error).__name__


def _line(text: str) -> str:
    """Return the first line of a text without control characters."""
    lines = text.strip().splitlines()
    return "".join(letter for letter in lines[0][:300] if letter.isprintable()) if lines else ""
