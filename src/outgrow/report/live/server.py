"""The server of the live pages: uvicorn, which drops connections that hold a place and ask for nothing."""

import asyncio
from typing import ClassVar

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_CONNECTIONS = 512
"""At the same time; below the 1,024 files that a process may usually open."""


def server_config(app: ASGIApp) -> uvicorn.Config:
    """Return the configuration of a server for the live pages."""
    return uvicorn.Config(
        app, http=Connection, ws="none", log_level="warning", access_log=False, proxy_headers=False, server_header=False
    )


class Connection(H11Protocol):
    """A connection that is ended where it sends no whole request, or does not take its response, in time.

    uvicorn by itself waits for the rest of a request for ever, so that a few hundred half-open connections keep everybody out.
    """

    request_s: ClassVar[float] = 10
    """Seconds from the start, or from the last response, to the end of a request's headers."""
    response_s: ClassVar[float] = 300
    """Seconds from there to the end of the response."""

    _timer: asyncio.TimerHandle | None = None
    _answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _CONNECTIONS:
            transport.abort()
        else:
            self._wait(self.request_s)

    def handle_events(self) -> None:
        super().handle_events()
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and not self._answering:
            self._wait(self.response_s)
        self._answering = answering

    def on_response_complete(self) -> None:
        self._answering = False
        self._wait(self.request_s)
        super().on_response_complete()  # it may begin with the next request at once

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, self.transport.abort)  # not `close`, which waits for what is not taken

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
