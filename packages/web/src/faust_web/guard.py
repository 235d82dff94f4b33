"""What stands before every request: who may ask, how many at once, and what becomes of a client that goes away."""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["NO_STORE", "Guard", "error_body"]

log = logging.getLogger(__name__)

#: Asked for by what watches the worker, which has no token; they tell nothing else.
OPEN_PATHS = frozenset({"/health", "/ready"})
NO_STORE = {"Cache-Control": "no-store"}
#: A header of requests that another worker has handed on.
ROUTED = b"faust-routed"
#: What other workers ask by: they are never made to wait for those who ask them.
PEER_PATH = "/_peers/query"


def error_body(code: str, reason: str, **more: Any) -> bytes:
    """Return an error as JSON: a word for programs, a sentence for people."""
    return json.dumps({"error": code, "reason": reason, **more}).encode() + b"\n"


class Guard:
    """Refuses before anything is looked at.

    Questions from outside and those from other workers are counted apart: workers that are full of the ones can still
    answer the others, so that two workers never wait for each other.
    """

    def __init__(
        self,
        inner: ASGIApp,
        *,
        token: str | None,
        hosts: Collection[str] | None,
        max_requests: int,
        public: Callable[[Scope], bool] = lambda _scope: False,
    ) -> None:
        """Args:
        hosts: the only names that the header `Host` may have; None for any.
        public: whether what is asked for is shown to those without the token, too.
        """
        self._inner = inner
        self._token = None if token is None else token.encode()
        self._hosts = None if hosts is None else {host.lower() for host in hosts}
        self._max = max_requests
        self._public = public
        self._now = {True: 0, False: 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1003})
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if self._hosts is not None and _host(headers) not in self._hosts:
            await refuse(send, 421, "wrong_host", "this worker is not known under the name that was asked for")
        elif path in OPEN_PATHS:
            await self._inner(scope, receive, send)
        elif self._token is not None and not self._shown(headers) and not self._public(scope):
            challenge = ((b"www-authenticate", b'Bearer realm="faust"'),)
            await refuse(send, 401, "no_token", "show the token: Authorization: Bearer …", challenge)
        else:
            if self._token is not None and self._shown(headers):
                scope["faust.token"] = True
            await self._counted(scope, receive, send, peer=path == PEER_PATH or ROUTED in headers)

    def _shown(self, headers: Mapping[bytes, bytes]) -> bool:
        assert self._token is not None
        scheme, _, shown = headers.get(b"authorization", b"").partition(b" ")
        # Both are compared in full, however early they differ.
        return hmac.compare_digest(shown.strip(), self._token) and scheme.lower() == b"bearer"

    async def _counted(self, scope: Scope, receive: Receive, send: Send, *, peer: bool) -> None:
        if self._now[peer] >= self._max:
            wait = ((b"retry-after", b"1"),)
            await refuse(send, 503, "busy", f"this worker answers {self._max} requests already", wait)
            return
        self._now[peer] += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            self._now[peer] -= 1


async def refuse(send: Send, status: int, code: str, reason: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Answer without having looked at the rest of the request."""
    body = error_body(code, reason)
    start: Message = {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers],
    }
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _host(headers: Mapping[bytes, bytes]) -> str:
    """Return the name in the header `Host`, without the port."""
    text = headers.get(b"host", b"").decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def gone(receive: Receive) -> None:
    """Return when the client has gone away; the request's body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        pass
