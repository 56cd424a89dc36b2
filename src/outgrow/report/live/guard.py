"""Access to the live pages: from this machine without a token, from elsewhere only with it."""

import math
import re
import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...core.addresses import is_loopback
from ..page import EMPTY_STYLE
from .guesses import GuessLimit

_HOST = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {EMPTY_STYLE}; img-src data: blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Guard:
    """Middleware that checks every request. token: None for a loopback address, where no token is needed.

    Without a token the request must name this machine, so that a page elsewhere cannot read runs through a name that resolves to it
    (DNS rebinding). A token comes once in the address and is then kept in a cookie that no script can read. The cookie's name has
    the port, because a browser sends the cookies of a host to all of its ports.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app, self.token = app, token
        self._guesses = GuessLimit()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if refusal := self._answer(Request(scope)):
            await refusal(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", _POLICY)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self.app(scope, receive, guarded)

    def _answer(self, request: Request) -> Response | None:
        """Return what is answered in place of a page; None where the page may be seen."""
        hosts = request.headers.getlist("host")
        host = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if host is None or (self.token is None and not is_loopback(host["host"])):
            return PlainTextResponse("Open this page at the address that `outgrow serve` printed.\n", 403)
        if self.token is None:
            return None
        cookie = f"outgrow_token_{host['port'] or 80}"
        in_address = request.query_params.get("token")
        given = request.cookies.get(cookie) if in_address is None else in_address
        if given is None:
            return PlainTextResponse("Token missing; open the address that `outgrow serve` printed.\n", 401)
        client = request.client.host if request.client else ""
        if wait := math.ceil(self._guesses.seconds_left(client)):
            return PlainTextResponse(f"Too many wrong tokens; wait {wait} seconds.\n", 429, {"Retry-After": str(wait)})
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            self._guesses.count(client, given)
            return PlainTextResponse("Wrong token; open the address that `outgrow serve` printed.\n", 401)
        if in_address is None:
            return None
        answer = RedirectResponse(request.url.remove_query_params("token").replace(scheme="", netloc=""), 303)
        answer.set_cookie(cookie, self.token, httponly=True, samesite="strict")
        return answer
