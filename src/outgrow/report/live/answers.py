"""Pages from templates, and the answers that carry them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from ...runs.changed import when
from .. import words
from .kept import Page


def answer(request: Request, page: Page, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a page, or 304 where its reader has it already."""
    headers = {"ETag": page.tag, **(headers or {})}
    if status == 200 and request.headers.get("if-none-match") == page.tag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(page.body, status, headers=headers)


def rendered(request: Request, template: str, **values: Any) -> bytes:
    """Return the HTML of a template. values: what it shows."""

    def address(**changed: Any) -> str:
        return str(request.url.include_query_params(**changed).replace(scheme="", netloc=""))

    html = _templates().get_template(f"{template}.html.jinja").render(ask=request.query_params, address=address, **values)
    return html.encode("utf-8", "replace")


def page_answer(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Return a page that is rendered for this request only."""
    return answer(request, Page(rendered(request, template, **values)), status)


@cache
def _templates() -> Environment:
    # autoescape is on for every template: what a model wrote is text on the page, never markup. tojson escapes <, > and &.
    environment = Environment(
        loader=PackageLoader("outgrow", "report/live/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    named = ("percent", "points", "shortened", "share_estimate", "share_change", "cost", "duration")
    environment.filters |= {name: getattr(words, name) for name in named} | {"clock": _clock, "iso": _iso, "when": when}
    return environment


def _clock(seconds: float) -> str:
    """Return a time since 1970 as date and time of this machine's zone."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
