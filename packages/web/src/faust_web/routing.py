"""Having a page's function run where its key is."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from starlette.responses import Response as AnyResponse

from faust_core.errors import ConfigError, PeerUnreachable
from faust_core.protocols.web import ForwardedRequest, Forwards, Owner
from faust_web.base import Request
from faust_web.exceptions import ServiceUnavailable, ValidationError

__all__ = ["REFUSED", "ROUTED", "key_from", "routed"]

#: In a request that a worker hands on: whoever gets it answers it, or refuses.
ROUTED = "faust-routed"
#: In an answer to such a request: the page's function has not run.
REFUSED = "faust-refused"
#: Pauses between tries; they double.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5
#: Requests that may be sent twice.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "SEARCH", "PUT", "DELETE"})
#: These belong to one connection, or are written anew for the next one.
OF_CONNECTION = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade host content-length expect".split()
)

Key = Callable[[Request], str]


def key_from(who: str, query_param: str | None, match_info: str | None, exact_key: str | None) -> Key:
    """Return what finds the key of a request.

    Raises:
        ConfigError: it is not said where it is, or twice.
    """
    if sum(given is not None for given in (query_param, match_info, exact_key)) != 1:
        raise ConfigError(f"{who} takes one of query_param=, match_info= and exact_key=")

    def find(request: Request) -> str:
        if exact_key is not None:
            return str(exact_key)
        if match_info is not None:
            if match_info not in request.match_info:
                raise ConfigError(f"{who}: the path of this page has no part {match_info!r}")
            return request.match_info[match_info]
        assert query_param is not None
        if query_param not in request.query:
            raise ValidationError(f"parameter {query_param!r} is missing", error="missing_parameter")
        return request.query[query_param]

    return find


def routed(who: str, key: Key, owner_of: Callable[[Any, str], Owner]) -> Callable[[Any], Any]:
    """Return a decorator of a page's function, which then runs on the worker that has the key."""

    def decorate(function: Any) -> Any:
        if not inspect.iscoroutinefunction(function):
            raise ConfigError(f"{who} stands between @app.page and an async function, not above {function!r}")

        @wraps(function)
        async def answer(view: Any, request: Request, *args: Any, **match: Any) -> Any:
            found = key(request)
            handed_on = await hand_on(view.app, request, lambda: owner_of(view.app, found))
            return await function(view, request, *args, **match) if handed_on is None else handed_on

        return answer

    return decorate


async def hand_on(app: Any, request: Request, find: Callable[[], Owner]) -> AnyResponse | None:
    """Return the answer of the worker that has the key; None where this one has it.

    While nobody has it, and while the one who had it gives it up, it is tried again.

    Raises:
        ServiceUnavailable: nobody has it in time, or the connection broke with a request that must not be repeated.
        QueryError: the key is none.
    """
    now = asyncio.get_running_loop().time
    deadline = now() + app.conf.query_timeout
    pause_s = FIRST_PAUSE_S
    handed: ForwardedRequest | None = None
    while True:
        owner = find()
        if owner.here:
            return None
        code, reason = owner.refusal, owner.reason
        peers = app.router.peers
        if ROUTED in request.headers:  # it came from another worker: a second hop could become a circle
            reason = reason or "this worker has the key no longer, or not yet"
            raise ServiceUnavailable(reason, error="not_owner", headers={REFUSED: "not_owner"})
        if owner.url is not None and hasattr(peers, "forward"):
            handed = handed or await _as_forwarded(request)
            try:
                answer = await cast("Forwards", peers).forward(
                    owner.url, handed, timeout_s=app.conf.web_request_timeout
                )
            except PeerUnreachable as exc:
                code, reason = "unreachable", f"the worker at {owner.url}: {exc}"
                if exc.sent and request.method not in IDEMPOTENT:
                    told = f"{reason}. Whether it has done what was asked is not known"
                    raise ServiceUnavailable(told, error=code) from exc
            else:
                headers = [(name.lower(), value) for name, value in answer.headers]
                if not (answer.status == 503 and any(name == REFUSED.encode() for name, _ in headers)):
                    return _as_response(request.method, answer.status, headers, answer.body)
                code, reason = "not_owner", f"the worker at {owner.url} has the key no longer, or not yet"
        if code == "no_endpoint" or now() + pause_s >= deadline:
            raise ServiceUnavailable(f"no worker can answer for this key now: {reason}", error=code or "unavailable")
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _as_forwarded(request: Request) -> ForwardedRequest:
    named = b",".join(value for name, value in request.headers.raw if name.lower() == b"connection")
    dropped = OF_CONNECTION | {name.strip().lower() for name in named.split(b",")}
    headers = [(name, value) for name, value in request.headers.raw if name.lower() not in dropped]
    headers.append((ROUTED.encode(), b"1"))
    return ForwardedRequest(request.method, request.rel_url, headers, await request.read())


def _as_response(method: str, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> AnyResponse:
    response = AnyResponse(body, status)
    kept = [
        (name, value)
        for name, value in headers
        # Who may read it is said by the worker that the browser has asked.
        if name not in OF_CONNECTION and name not in {b"date", b"server"} and not name.startswith(b"access-control-")
    ]
    has_length = method != "HEAD" and status not in {204, 304}
    response.raw_headers = [(b"content-length", b"%d" % len(body)), *kept] if has_length else kept
    return response
