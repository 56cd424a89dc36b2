"""The HTTP client of a model server: it sends what a request needs and nothing else, goes nowhere else, and reads no more than a
reply may have.

The package `openai` adds to each request what it finds in the environment (OPENAI_API_KEY, OPENAI_ORG_ID, OPENAI_PROJECT_ID,
OPENAI_CUSTOM_HEADERS) and what it knows of this machine, follows redirects, and reads replies of any length. So the headers are
set here, when a request leaves.
"""

import time
from collections.abc import AsyncIterator

from httpx2 import AsyncByteStream, Request, Response
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

from ..core.addresses import ServerAddress
from .server_errors import status_in_body
from .server_key import ServerKey

MAX_REPLY = 8 * 2**20
"""Bytes of the largest reply that is read; 128k tokens of escaped text are about a quarter of it."""

_NEEDED = ("host", "content-type", "content-length", "transfer-encoding", "accept", "connection")


def open_client(address: ServerAddress, key: ServerKey | None, tries: int, timeout: Timeout, seconds: float) -> AsyncOpenAI:
    """Return a client whose requests go to this address only, with this key only.

    tries: of each request. seconds: that a reply may take from its first byte to its last.
    """

    async def set_headers(request: Request) -> None:
        for name in {*request.headers} - {*_NEEDED}:
            del request.headers[name]
        # Compressed, a small reply could fill the memory.
        request.headers.update({"accept-encoding": "identity", "user-agent": "outgrow", **(key.headers if key else {})})

    async def read(response: Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ReplyError("its reply is compressed, which was not asked for")
        assert isinstance(response.stream, AsyncByteStream)
        response.stream = _Bounded(response.stream, key.secret.encode() if key else b"", seconds)
        await response.aread()
        _correct_status(response)

    return AsyncOpenAI(
        base_url=address.url,
        api_key="none",  # the package requires one; `set_headers` puts the real one in its place
        max_retries=tries - 1,
        timeout=timeout,
        http_client=DefaultAsyncHttpxClient(
            event_hooks={"request": [set_headers], "response": [read]},
            follow_redirects=False,
            trust_env=address.encrypted,  # a proxy may carry what is encrypted; to this machine none is needed
        ),
    )


class ReplyError(Exception):
    """A reply that is not read. The same request would get it again, so it is not repeated."""


class _Bounded(AsyncByteStream):
    """A reply of at most `MAX_REPLY` bytes and of limited time, with the key cut out where the server repeats it."""

    def __init__(self, stream: AsyncByteStream, secret: bytes, seconds: float) -> None:
        self._stream, self._secret, self._seconds = stream, secret, seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts, size, end = [], 0, time.monotonic() + self._seconds
        async for part in self._stream:
            if time.monotonic() > end:  # a server that sends a byte now and then is never silent
                raise ReplyError(f"its reply has not ended after {self._seconds:g} s")
            parts.append(part)
            size += len(part)
            if size > MAX_REPLY:
                raise ReplyError(f"its reply is larger than {MAX_REPLY / 2**20:g} MB")
        body = b"".join(parts)
        yield body.replace(self._secret, "…".encode()) if self._secret else body

    async def aclose(self) -> None:
        await self._stream.aclose()


def _correct_status(response: Response) -> None:
    """Give an error that was sent with status 200 its own status, so that it is repeated and told as any other."""
    if response.status_code == 200:
        try:
            response.status_code = status_in_body(response.json()) or 200
        except (ValueError, RecursionError):  # not JSON, which the reader of the response tells
            return
