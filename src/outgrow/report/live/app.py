"""The live pages and their addresses. Every page is plain HTML that works without a script; the script updates it."""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...core.errors import DAMAGED, OutgrowError, reason
from ...runs.folder import RunFolder
from ...runs.warning_log import read_warnings
from ...runs.work_log import latest_work
from ..data import read_run
from ..page import render
from ..plotly_script import plotly_script
from . import problems
from .answers import answer, page_answer, rendered
from .guard import Guard
from .kept import Kept, Pages
from .listing import ORDERS, Listing, matching, ordered
from .messages import messages
from .rollouts import VERDICTS, Groups
from .run_summary import STATES, RunRow
from .stamps import stamp_of
from .views import OpenRun, View, changed_keys, compare_to_first, compared_charts, run_folder

_RUNS = 200
_PAGE = 50
_ROLLOUTS = 16
_READING = 0.3  # seconds that a page spends on reading new files of rollouts
_MOST_OF_RUNS, _MOST_OF_PAGES = 150_000_000, 50_000_000  # bytes

_ASSETS = {
    "style.css": ("report", "page.css"),
    "live.css": ("report.live", "live.css"),
    "charts.js": ("report", "charts.js"),
    "live.js": ("report.live", "live.js"),
}


def application(folder: Path, token: str | None = None, looking: float = 1.0, rendering: float = 1.0) -> Starlette:
    """Return the application for the runs of a folder. token: required from every visitor. Default: no token.

    looking: share of a core for looking whether files have changed. rendering: share of a core for rendering one page that keeps
    changing. Default: every request looks, and gets what is there.
    """
    pages = _Pages(folder, looking, rendering)
    routes = [
        Route("/", pages.runs),
        Route("/compare", pages.compare),
        Route("/runs/{run}", pages.run),
        Route("/runs/{run}/report", pages.report),
        Route("/runs/{run}/problems", pages.problems),
        Route("/runs/{run}/problem", pages.problem),
        Route("/runs/{run}/rollouts", pages.rollouts),
        Route("/{name}", _asset),
    ]
    # What is left of a file's wrong values when a page is made from them is an error of that page only.
    handlers: dict[Any, Any] = dict.fromkeys((OutgrowError, HTTPException, OSError, *DAMAGED), _failed)
    return Starlette(routes=routes, middleware=[Middleware(partial(Guard, token=token))], exception_handlers=handlers)


class _Pages:
    def __init__(self, folder: Path, looking: float, rendering: float) -> None:
        self.folder, self._looking = folder, looking
        self._runs: Kept[OpenRun] = Kept(_MOST_OF_RUNS, OpenRun.nbytes)
        self._pages = Pages(_MOST_OF_PAGES, rendering)
        self._listing = Listing(folder, looking)

    def runs(self, request: Request) -> Response:
        known = self._listing.rows()
        return self._send(request, self._listing.version, lambda: self._render_runs(request, known))

    def _render_runs(self, request: Request, known: Sequence[RunRow]) -> bytes:
        query = request.query_params
        tags = query.getlist("tag")
        rows = ordered(matching(known, query.get("q", ""), tags, query.get("state", "")), query.get("sort", ""))
        page, pages = problems.page_of(len(rows), _number(query.get("page", "")), _RUNS)
        counts = Counter(row.state for row in known)
        states = [(state, counts[state]) for state in STATES if counts[state]]
        shown = rows[(page - 1) * _RUNS : page * _RUNS]
        return rendered(
            request, "runs", rows=shown, count=len(rows), known=len(known), page=page, pages=pages, states=states, tags=tags,
            orders=ORDERS, with_tag=partial(_with_tag, query.multi_items()),
            sort_by=partial(_sort_by, query.get("sort", "")),
        )  # fmt: skip

    def compare(self, request: Request) -> Response:
        views = [self._open(name).view() for name in dict.fromkeys(request.query_params.getlist("run"))]
        if len(views) < 2:
            raise HTTPException(400, "Choose two or more runs to compare.")
        return self._send(request, tuple(view.stamps for view in views), lambda: self._render_compared(request, views))

    def _render_compared(self, request: Request, views: list[View]) -> bytes:
        names, differences = changed_keys(views)
        return rendered(
            request, "compare", rows=compare_to_first(views), charts=compared_charts(views), names=names, differences=differences
        )

    def run(self, request: Request) -> Response:
        run_view = self._open(request.path_params["run"]).view()
        row = self._listing.row(run_view.name)
        return self._send(request, (run_view.stamps, row, row.state), lambda: self._render_run(request, run_view, row))

    def _render_run(self, request: Request, run_view: View, row: RunRow) -> bytes:
        log = read_warnings(run_view.path) if run_view.data else []
        try:
            lines = messages(log, run_view.data.sessions if run_view.data else [])
        except (TypeError, ValueError) as error:
            raise OutgrowError(f"{RunFolder(run_view.path).sessions}: one of its values is damaged ({error})") from error
        return rendered(
            request, "run", view=run_view, row=row, work=latest_work(run_view.path), messages=lines,
            dropped=sum(line.dropped for line in log), with_tag=partial(_with_tag, ()),
        )  # fmt: skip

    def report(self, request: Request) -> Response:
        run_view = self._open(request.path_params["run"]).view()
        stamps = run_view.stamps, stamp_of(RunFolder(run_view.path).ledger), stamp_of(f"{RunFolder(run_view.path).ledger}-wal")
        # The report has its own policy, which allows only its own two scripts.
        headers = {"Content-Security-Policy": "frame-ancestors 'none'"}
        return self._send(request, stamps, lambda: render(read_run(run_view.path)).encode("utf-8", "replace"), headers)

    def problems(self, request: Request) -> Response:
        run, practised = self._open(request.path_params["run"]), request.query_params.get("of") == "practised"
        run_view, version = run.view(), (0, 0)
        if practised:
            run.index.refresh(_READING)
            version = run.index.version, run.index.unread
        return self._send(request, (run_view.stamps, version), lambda: self._render_problems(request, run, run_view, practised))

    def _render_problems(self, request: Request, run: OpenRun, run_view: View, practised: bool) -> bytes:
        query = request.query_params
        if practised:
            rows = problems.practised(run.index)
        else:
            data = run_view.read()
            rows = problems.tested(data.before, data.after)
        chosen = problems.search(rows, *(query.get(name, "") for name in ("q", "field", "level", "turn")))
        orders = {"gain": lambda row: -(row.change or 0), "loss": lambda row: row.change or 0}
        if order := orders.get(query.get("sort", "")):
            chosen.sort(key=order)
        page, pages = problems.page_of(len(chosen), _number(query.get("page", "")), _PAGE)
        turns = Counter(row.turn for row in rows)
        lists: dict[str, Any] = {
            "fields": sorted({row.field for row in rows}),
            "levels": sorted({row.level for row in rows}),
            "counts": turns,
            "meaning": problems.meaning(practised),
        }
        shown = chosen[(page - 1) * _PAGE : page * _PAGE]
        return rendered(
            request, "problems", view=run_view, rows=shown, count=len(chosen), known=len(rows), page=page, pages=pages,
            practised=practised, index=run.index, **lists,
        )  # fmt: skip

    def problem(self, request: Request) -> Response:
        run_view, wanted = self._open(request.path_params["run"]).view(), request.query_params.get("id", "")
        data = run_view.read()
        sides = [("Before", data.before), ("After", data.after)]
        answers = [(when, [s for s in side.samples if s.problem_id == wanted]) for when, side in sides if side]
        if not any(samples for _, samples in answers):
            raise HTTPException(404, "This run's test suite has no problem of this id.")
        about = next(samples[0] for _, samples in answers if samples)
        return page_answer(request, "problem", view=run_view, about=about, answers=answers)

    def rollouts(self, request: Request) -> Response:
        run = self._open(request.path_params["run"])
        run_view, groups = run.view(), run.index.refresh(_READING)
        version = run_view.stamps, run.index.version, run.index.unread
        return self._send(request, version, lambda: self._render_rollouts(request, run, run_view, groups))

    def _render_rollouts(self, request: Request, run: OpenRun, run_view: View, groups: Groups) -> bytes:
        query, index = request.query_params, run.index
        steps = np.unique(groups["step"]).tolist()
        problem, verdict = query.get("problem", ""), query.get("verdict", "")
        step = _number(query.get("step", ""), 0)
        if not step and not problem and steps:
            step = steps[-1]
        chosen = groups
        if step:
            chosen = chosen[chosen["step"] == step]
        if problem:
            code = index.code_of(problem)
            chosen = chosen[chosen["problem"] == (-1 if code is None else code)]
        counts = dict(zip(map(str, VERDICTS), chosen["counts"].sum(axis=0).tolist(), strict=True))
        of_verdict = list(counts).index(verdict) if verdict in counts else None
        count = sum(counts.values()) if of_verdict is None else counts[verdict]
        q = query.get("q", "").casefold().strip()
        whole = None
        if q and step:  # only the texts of one step are searched
            texts = index.texts(chosen, of_verdict, slice(None))
            whole = [row for row in texts if q in f"{row['question']}\n{row['completion']}".casefold()]
            count = len(whole)
        page, pages = problems.page_of(count, _number(query.get("page", "")), _ROLLOUTS)
        part = slice((page - 1) * _ROLLOUTS, page * _ROLLOUTS)
        shown = index.texts(chosen, of_verdict, part) if whole is None else whole[part]
        near = {
            "earlier": max((s for s in steps if s < step), default=None),
            "later": min((s for s in steps if s > step), default=None),
        }
        return rendered(
            request, "rollouts", view=run_view, rows=shown, count=count, page=page, pages=pages, step=step, steps=steps,
            counts=counts, problem=problem, index=index, near=near, total=int(groups["counts"].sum()),
        )  # fmt: skip

    def _open(self, name: str) -> OpenRun:
        run = run_folder(self.folder, name)
        if run is None:
            raise HTTPException(404, "This folder has no run of this name.")
        self._runs.drop_old()
        return self._runs.get(name, lambda: OpenRun(run, self._looking))

    def _send(
        self, request: Request, version: Hashable, render: Callable[[], bytes], headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send a page, rendered where its version has changed."""
        address = request.url.path, request.url.query
        return answer(request, self._pages.get(address, version, render), headers=headers)


def _number(text: str, default: int = 1) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _with_tag(present: Sequence[tuple[str, str]], tag: str) -> str:
    """Return the address of the list with this tag asked for, or without it if `present`, its parameters now, asks for it."""
    others = [pair for pair in present if pair[0] != "page" and pair != ("tag", tag)]
    return f"/?{urlencode(others if ('tag', tag) in present else [*others, ('tag', tag)])}"


def _sort_by(present: str, order: str, falling: bool = False) -> tuple[str, str]:
    """Return what a click on a column's heading sorts by, and how the list is sorted by it now (for aria-sort).

    falling: whether the first click puts the largest on top.
    """
    first, second = (f"-{order}", order) if falling else (order, f"-{order}")
    state = {order: "ascending", f"-{order}": "descending"}.get(present, "none")
    return (second if present == first else first), state


def _failed(request: Request, error: Exception) -> Response:
    status, message = (
        (error.status_code, error.detail)
        if isinstance(error, HTTPException)
        else (500, str(error) if isinstance(error, OutgrowError) else f"a file of this run is damaged ({reason(error)})")
    )
    return page_answer(request, "error", status, message=message)


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "plotly.js":
        return Response(plotly_script(), media_type="text/javascript", headers={"Cache-Control": "private, max-age=86400"})
    if name not in _ASSETS:
        raise HTTPException(404, "No page has this address.")
    package, file = _ASSETS[name]
    text = files(f"outgrow.{package}").joinpath(file).read_text(encoding="utf-8")
    return Response(text, media_type="text/css" if name.endswith("css") else "text/javascript")
