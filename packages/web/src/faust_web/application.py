"""The ASGI application."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from faust_core.errors import AnswerTooLarge, ConfigError, FaustError, NoSuchTable, QueryError, QueryUnavailable
from faust_core.protocols.queries import JsonAnswer, JsonItem, MetricsPage, Served
from faust_core.protocols.web import AsgiApplication, WebContext
from faust_web.guard import PEER_PATH, Guard, error_body, gone, is_loopback
from faust_web.parameters import Parameters, body_of, read_body_keys
from faust_web.watched import Watched, metrics_page
from faust_web.wire import read_query, write_answers

__all__ = ["make_application", "own_hosts"]

log = logging.getLogger(__name__)

T = TypeVar("T")
Page = Callable[[Request], Awaitable[Response]]

#: An answer to another worker has a second more than it asked for at most.
PEER_TIMEOUT_S = 30.0
MAX_KEY_CHARACTERS = 16 * 1024
MAX_TABLE_CHARACTERS = 255
DEFAULT_LIMIT = 100
#: The client has closed the connection: nobody sees this.
CLIENT_CLOSED_REQUEST = 499


def make_application(
    served: Served, context: WebContext | None = None, *, hosts: Collection[str] | None = None
) -> AsgiApplication:
    """Return an ASGI application that shows a stream processor, `app.served`.

    Args:
        context: whether a token is asked for, whether tables are shown, how many requests at once.
        hosts: the only names that it is known under; None for any.
    """
    context = context or WebContext()
    pages = Pages(served)
    routes: list[BaseRoute] = [
        Route("/health", answering(pages.health)),
        Route("/ready", answering(pages.ready)),
        Route(PEER_PATH, answering(pages.peer), methods=["POST"]),
    ]
    if context.tables:
        routes += [
            Route("/table", answering(pages.tables)),
            Route("/table/", answering(pages.tables)),
            Route("/table/{table}", answering(pages.table), methods=["GET", "POST"]),
            Route("/table/{table}/", answering(pages.table), methods=["GET", "POST"]),
            Route("/table/{table}/{key:path}", answering(pages.key)),
        ]
    metrics: MetricsPage | None = getattr(served, "metrics", None)
    if metrics is not None and metrics.path is not None:
        routes.append(Route(metrics.path, answering(metrics_page(metrics))))
    app = Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
    app.router.redirect_slashes = False
    return Guard(
        app if metrics is None else Watched(app, metrics),
        token=context.token,
        hosts=hosts,
        max_requests=context.max_requests,
    )


def own_hosts(context: WebContext) -> set[str] | None:
    """Return the names that a worker has which only this machine reaches, so that no web page can be at another one.

    A page in a browser may name any host, let its name point to 127.0.0.1, and read what is served there.
    """
    if context.token is not None or not is_loopback(context.bind):
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
        table, key = _table(request), _key(request)
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
        table = _table(request)
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


def _table(request: Request) -> str:
    name: str = request.path_params["table"]
    if len(name) > MAX_TABLE_CHARACTERS:
        raise NoSuchTable(f"no table has a name of {len(name)} characters")
    return name


def _key(request: Request) -> str:
    """Return the key in the path; a slash at the very end is none of it, unless it is written `%2F`."""
    key: str = request.path_params["key"]
    raw: bytes = request.scope.get("raw_path") or b""
    if raw.partition(b"?")[0].endswith(b"/") or (not raw and key.endswith("/")):
        key = key[:-1]
    if len(key) > MAX_KEY_CHARACTERS:
        raise HTTPException(414, f"a key has {MAX_KEY_CHARACTERS} characters at most")
    if not key:
        raise HTTPException(404, "an empty key is asked for by ?key=")
    return key


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
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")


def _error(status: int, code: str, reason: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(error_body(code, reason), status, headers, "application/json")


CODES = {404: "not_found", 405: "wrong_method", 413: "too_large", 414: "too_large"}


async def _http_error(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    allowed = (exc.headers or {}).get("Allow")
    methods = ", ".join(sorted((allowed or "").replace(" ", "").split(",")))
    reasons = {404: "there is no such page", 405: f"this page takes {methods} only"}
    reason = exc.detail if exc.detail not in {"Not Found", "Method Not Allowed"} else reasons[exc.status_code]
    return _error(exc.status_code, CODES.get(exc.status_code, "bad_request"), reason, exc.headers)


def answering(page: Page) -> Page:
    """Return a page whose failures are answers, too."""

    async def answer(request: Request) -> Response:
        try:
            return await page(request)
        except FaustError as exc:
            return _faust_error(request, exc)
        except ClientDisconnect:
            return _error(CLIENT_CLOSED_REQUEST, "client_gone", "the client has closed the connection")
        except TimeoutError:
            return _error(503, "timeout", "no answer in time", {"Retry-After": "1"})
        except HTTPException:
            raise
        except Exception as exc:  # noqa: BLE001  what it is, is for the log
            return _bug(request, exc)

    return answer


def _faust_error(request: Request, exc: FaustError) -> Response:
    match exc:
        case NoSuchTable():
            return _error(404, exc.code, str(exc))
        case AnswerTooLarge():
            return _error(413, exc.code, str(exc))
        case QueryUnavailable():
            return _error(503, exc.code, str(exc), {"Retry-After": "1"})
        case QueryError():
            return _error(400, exc.code, str(exc))
        case ConfigError():
            return _error(503, "not_running", str(exc), {"Retry-After": "1"})
    return _bug(request, exc)


def _bug(request: Request, exc: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=exc)
    return _error(500, "failed", "this worker failed to answer; its log says why")
