"""The ASGI application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from faust_core.errors import QueryError
from faust_core.protocols.queries import JsonAnswer, JsonItem, MetricsPage, Served
from faust_core.protocols.web import AsgiApplication, WebContext
from faust_web.builtin import Builtin
from faust_web.cors import Cors, CorsOptions, read_cors_options
from faust_web.failures import failure_response
from faust_web.guard import NO_STORE, PEER_PATH, Guard, error_body, gone, is_loopback
from faust_web.page_route import PageRoute
from faust_web.parameters import Parameters, body_of, key_in, read_body_keys, table_in
from faust_web.site import Web
from faust_web.watched import Watched, metrics_page
from faust_web.wire import read_query, write_answers

__all__ = ["make_application", "own_hosts"]

T = TypeVar("T")
Page = Callable[[Request], Awaitable[Response]]

#: An answer to another worker has a second more than it asked for at most.
PEER_TIMEOUT_S = 30.0
DEFAULT_LIMIT = 100


def make_application(
    served: Served,
    context: WebContext | None = None,
    web: Web | None = None,
    *,
    hosts: Collection[str] | None = None,
) -> AsgiApplication:
    """Return an ASGI application that shows a stream processor, `app.served`.

    Args:
        context: whether a token is asked for, what is shown, how many requests at once.
        web: the application's own pages.
        hosts: the only names that it is known under; None for any.

    Raises:
        ConfigError: a page is wrong, or `web_cors_options`.
    """
    context = context or WebContext()
    if web is not None:
        web.begin()
    metrics: MetricsPage | None = getattr(served, "metrics", None)
    routes = _routes(served, context, web, metrics)
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
    app.router.redirect_slashes = False
    guard = Guard(
        app if metrics is None else Watched(app, metrics),
        token=context.token,
        hosts=hosts,
        max_requests=context.max_requests,
        public=lambda scope: web is not None and (page := web.page_of(scope)) is not None and page.public,
    )
    cors = None if context.cors is None else read_cors_options(context.cors, "web_cors_options")
    if cors or (web is not None and web.has_cors):
        return Cors(guard, cors, lambda scope: None if web is None else _cors_of(web, scope))
    return guard


def _cors_of(web: Web, scope: Scope) -> CorsOptions | None:
    page = web.page_of(scope)
    return None if page is None else page.cors


def _routes(served: Served, context: WebContext, web: Web | None, metrics: MetricsPage | None) -> list[BaseRoute]:
    """Return all that can be asked for; the first that fits answers."""
    pages, builtin = Pages(served), Builtin(web, context)

    def show(page: Page, *paths: str, methods: Sequence[str] = ("GET",)) -> list[BaseRoute]:
        return [Route(path, answering(page, debug=context.debug), methods=list(methods)) for path in paths]

    routes = [*show(pages.health, "/health"), *show(pages.ready, "/ready")]
    routes += show(pages.peer, PEER_PATH, methods=["POST"])
    if metrics is not None and metrics.path is not None:
        routes += show(metrics_page(metrics), metrics.path)
    if web is not None:
        routes.append(PageRoute(web, context))
    routes += show(builtin.index, "/")
    if context.tables:
        routes += show(pages.tables, "/table", "/table/")
        routes += show(pages.table, "/table/{table}", "/table/{table}/", methods=["GET", "POST"])
        routes += show(pages.key, "/table/{table}/{key:path}")
    if web is not None and context.router:
        routes += show(builtin.tables, "/router", "/router/")
        routes += show(builtin.topics, "/router/topics", "/router/topics/")
        routes += show(builtin.table, "/router/{table}", "/router/{table}/")
        routes += show(builtin.key, "/router/{table}/{key:path}")
    if web is not None and context.stats:
        routes += show(builtin.stats, "/stats", "/stats/")
        routes += show(builtin.assignment, "/assignment", "/assignment/")
    return routes


def own_hosts(context: WebContext) -> set[str] | None:
    """Return the names that a worker has which only this machine reaches, so that no web page can be at another one.

    A page in a browser may name any host, let its name point to 127.0.0.1, and read what is served there.
    """
    if context.token is not None or not is_loopback(context.bind) or context.unix_path is not None:
        return None
    names = {"localhost", "127.0.0.1", "::1", context.bind, context.host or "localhost"}
    if context.canonical_url is not None:
        names.add(urlsplit(context.canonical_url).hostname or "localhost")
    return names


class Pages:
    """Answers requests."""

    def __init__(self, served: Served) -> None:
        self._served = served

    async def health(self, _request: Request) -> Response:
        """Whether the worker has failed: for what restarts it."""
        state = self._served.state()
        status = {"status": "OK"} if state.healthy else {"status": "failed", "reason": state.reason}
        return _json(status, 200 if state.healthy else 503)

    async def ready(self, _request: Request) -> Response:
        """Whether the worker does all that it was given to do: for what sends requests, or starts the next one."""
        state = self._served.state()
        status = {"status": "OK"} if state.ready else {"status": "not ready", "reason": state.reason}
        return _json(status, 200 if state.ready else 503)

    async def tables(self, _request: Request) -> Response:
        return _json(
            [
                {
                    "table": info.name,
                    "kind": info.kind,
                    "help": info.help,
                    "partitions": info.partitions,
                    "global": info.is_global,
                }
                for info in self._served.tables()
            ]
        )

    async def key(self, request: Request) -> Response:
        """The value of one key, or its values in windows."""
        table, key = table_in(request), key_in(request)
        given = Parameters(request.query_params)
        options, as_json = given.options(), given.flag("json")
        at, start, end = given.moment("at"), given.moment("from"), given.moment("to")
        given.done()
        if start is not None or end is not None:
            if start is None or end is None or at is not None:
                raise QueryError("a span of time is ?from=…&to=…, one moment is ?at=…", code="bad_time")
            found = await self._ask(request, self._served.windows(table, key, start, end, options, as_json=as_json))
            return _items(table, found, key=True)
        if at is not None or self._is_windowed(table):
            found = await self._ask(request, self._served.windows(table, key, at, None, options, as_json=as_json))
        else:
            found = await self._ask(request, self._served.get_many(table, [key], options, as_json=as_json))
        if not found.items:
            body = error_body("no_such_key", f"table {table!r} has no such key", key=json.loads(found.missing[0]))
            return Response(body, 404, _headers(found), "application/json")
        (item,) = found.items
        headers = _headers(found)
        if item.window is not None:
            headers["Faust-Window"] = json.dumps(item.window)
        return Response(item.value, 200, headers, "application/json")

    def _is_windowed(self, table: str) -> bool:
        return any(info.name == table and info.kind == "windowed" for info in self._served.tables())

    async def table(self, request: Request) -> Response:
        """Some keys, or a page of items."""
        table = table_in(request)
        given = Parameters(request.query_params)
        options, as_json = given.options(), given.flag("json")
        if request.method == "POST":
            given.done()
            keys = read_body_keys(await body_of(request))
            found = await self._ask(request, self._served.get_many(table, keys, options, as_json=True))
            return _items(table, found)
        if keys := given.all("key"):
            given.done()
            found = await self._ask(request, self._served.get_many(table, keys, options, as_json=as_json))
            return _items(table, found)
        criteria = {name: value for name in ("prefix", "start", "end") if (value := given.text(name)) is not None}
        limit, cursor = given.number("limit", DEFAULT_LIMIT), given.text("cursor")
        given.done()
        asking = self._served.page(table, criteria, limit, cursor, options, as_json=as_json)
        found = await self._ask(request, asking)
        return _items(table, found, page=True)

    async def peer(self, request: Request) -> Response:
        """Another worker asks."""
        try:
            query = read_query(await body_of(request))
        except ValueError as exc:
            raise QueryError(str(exc), code="bad_question") from exc
        async with asyncio.timeout(PEER_TIMEOUT_S):
            answers = await _unless_gone(request, self._served.answer(query))
        return Response(write_answers(answers), media_type="application/json")

    async def _ask(self, request: Request, asking: Coroutine[Any, Any, JsonAnswer]) -> JsonAnswer:
        return await _unless_gone(request, asking)


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do what a client waits for; give up when it waits no more.

    Raises:
        ClientDisconnect: it has gone away; the work was cancelled, and has ended.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(gone(request.receive))
    try:
        await asyncio.wait([task, watch], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


def _headers(answer: JsonAnswer) -> dict[str, str]:
    """Return what is told of an answer besides."""
    headers = {
        "Faust-Source": "owner" if answer.owner else "standby",
        "Faust-Lag": "unknown" if answer.lag is None else str(answer.lag),
        "Cache-Control": "no-store",
    }
    if answer.partition is not None:
        headers["Faust-Partition"] = str(answer.partition)
    return headers


def _items(table: str, answer: JsonAnswer, *, page: bool = False, key: bool = False) -> Response:
    """Return several items; keys and values are JSON already."""
    parts = [b'{"table":' + json.dumps(table).encode(), b'"items":[' + b",".join(map(_item, answer.items)) + b"]"]
    if page:
        parts.append(b'"cursor":' + json.dumps(answer.cursor).encode())
    elif not key:
        parts.append(b'"missing":[' + b",".join(answer.missing) + b"]")
    parts.append(b'"source":' + (b'"owner"' if answer.owner else b'"standby"'))
    parts.append(b'"lag":' + json.dumps(answer.lag).encode())
    headers = _headers(answer)
    headers.pop("Faust-Partition", None)
    return Response(b",".join(parts) + b"}\n", 200, headers, "application/json")


def _item(item: JsonItem) -> bytes:
    window = b"" if item.window is None else b',"window":' + json.dumps(item.window).encode()
    return b'{"key":' + item.key + window + b',"value":' + item.value + b"}"


def _json(content: Any, status: int = 200) -> Response:
    body = json.dumps(content).encode() + b"\n"
    return Response(body, status, NO_STORE, "application/json")


def answering(page: Page, *, debug: bool = False) -> Page:
    """Return a page whose failures are answers, too."""

    async def answer(request: Request) -> Response:
        try:
            return await page(request)
        except Exception as exc:  # noqa: BLE001  each has its answer
            return failure_response(request, exc, debug=debug)

    return answer


async def _http_error(request: Request, exc: Exception) -> Response:
    return failure_response(request, exc)
