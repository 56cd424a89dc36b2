"""Access to the live pages: from this machine without a token, from elsewhere only with it."""

import secrets
from ipaddress import ip_address

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_COOKIE = "outgrow_token"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data: blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Middleware that checks every request. token: None for a loopback address, where no token is needed.

    Without a token the request must name this machine, so that a page elsewhere cannot read runs through a name that resolves to it
    (DNS rebinding). A token comes once in the address and is then kept in a cookie that no script can read.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        if self.token is None:
            if not is_loopback(request.url.hostname or ""):
                await PlainTextResponse("Open this page at the address that `outgrow serve` printed.\n", 403)(scope, receive, send)
                return
        elif (given := request.query_params.get("token")) is not None:
            if secrets.compare_digest(given.encode(), self.token.encode()):
                answer = RedirectResponse(request.url.remove_query_params("token").replace(scheme="", netloc=""), 303)
                answer.set_cookie(_COOKIE, self.token, httponly=True, samesite="strict")
                await answer(scope, receive, send)
                return
            await PlainTextResponse("Wrong token; open the address that `outgrow serve` printed.\n", 401)(scope, receive, send)
            return
        elif not secrets.compare_digest(request.cookies.get(_COOKIE, "").encode(), self.token.encode()):
            await PlainTextResponse("Token missing; open the address that `outgrow serve` printed.\n", 401)(scope, receive, send)
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
