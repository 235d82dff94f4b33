"""Asking other workers over HTTP."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from faust_core.errors import AnswerTooLarge, ConfigError, PeerUnreachable, QueryError
from faust_core.protocols.queries import PartitionAnswer, Peers, TableQuery
from faust_core.protocols.web import ForwardedAnswer, ForwardedRequest, Forwards, WebContext
from faust_web.connection import Connection, StaleConnection
from faust_web.guard import PEER_PATH
from faust_web.routing import IDEMPOTENT
from faust_web.wire import read_answers, write_query

__all__ = ["HttpPeers"]

T = TypeVar("T")

#: Connections to one worker, and those of them that are kept while idle.
MAX_CONNECTIONS = 32
MAX_IDLE = 8
#: Workers whose connections are kept; addresses of workers that are gone are forgotten.
MAX_PEERS = 256
#: Shorter than what a server keeps an idle connection for.
IDLE_S = 4.0


@dataclass
class _Peer:
    url: SplitResult
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONNECTIONS))
    #: since when it is idle, and the connection
    idle: list[tuple[float, Connection]] = field(default_factory=list)
    busy: int = 0


class HttpPeers:
    """Keeps a few connections to each worker that was asked."""

    def __init__(self, context: WebContext) -> None:
        self._headers = {} if context.token is None else {"Authorization": f"Bearer {context.token}"}
        self._peers: dict[str, _Peer] = {}
        self._tls = None if context.ca_file is None else _trusting(context.ca_file)
        self._closed = False

    async def ask(self, endpoint: str, query: TableQuery, /, *, timeout_s: float) -> Sequence[PartitionAnswer]:
        try:
            async with asyncio.timeout(timeout_s):
                status, body = await self._post(endpoint, write_query(query))
        except TimeoutError as exc:
            raise PeerUnreachable(f"no answer in {timeout_s:.3g} s") from exc
        if status == 200:
            try:
                return read_answers(body)
            except ValueError as exc:
                raise PeerUnreachable(str(exc)) from exc
        raise _error(status, body)

    async def aclose(self) -> None:
        self._closed = True
        for peer in self._peers.values():
            for _, connection in peer.idle:
                connection.close()
        self._peers.clear()

    async def forward(self, endpoint: str, request: ForwardedRequest, /, *, timeout_s: float) -> ForwardedAnswer:
        """See `Forwards`.  What must not be sent twice goes over a new connection, which cannot be a stale one."""
        once = request.method not in IDEMPOTENT

        async def send(connection: Connection, base: str) -> ForwardedAnswer:
            return await connection.send(replace(request, target=base + request.target))

        try:
            async with asyncio.timeout(timeout_s):
                return await self._with_connection(endpoint, send, fresh=once)
        except TimeoutError as exc:
            raise PeerUnreachable(f"no answer in {timeout_s:.3g} s") from exc

    async def _post(self, endpoint: str, body: bytes) -> tuple[int, bytes]:
        async def post(connection: Connection, base: str) -> tuple[int, bytes]:
            return await connection.post(base + PEER_PATH, self._headers, body)

        return await self._with_connection(endpoint, post)

    async def _with_connection(
        self, endpoint: str, work: Callable[[Connection, str], Awaitable[T]], *, fresh: bool = False
    ) -> T:
        peer = self._peer(endpoint)
        peer.busy += 1
        try:
            async with peer.slots:
                while True:
                    idle = None if fresh else self._idle(peer)
                    connection = idle or await Connection.open(peer.url, self._tls_for(peer.url))
                    try:
                        answer = await work(connection, peer.url.path)
                    except StaleConnection:
                        continue  # the next idle one, or a new one
                    finally:
                        self._put_back(peer, connection)
                    return answer
        finally:
            peer.busy -= 1

    def _peer(self, endpoint: str) -> _Peer:
        if self._closed:
            raise PeerUnreachable("this worker has stopped", sent=False)
        peer = self._peers.pop(endpoint, None) or _Peer(urlsplit(endpoint))
        self._peers[endpoint] = peer  # the last ones were asked most recently
        if len(self._peers) > MAX_PEERS:
            oldest = next((url for url, other in self._peers.items() if not other.busy), None)
            for _, connection in self._peers.pop(oldest).idle if oldest is not None else ():
                connection.close()
        return peer

    @staticmethod
    def _idle(peer: _Peer) -> Connection | None:
        now = asyncio.get_running_loop().time()
        while peer.idle:
            since, connection = peer.idle.pop()
            if now - since < IDLE_S:
                return connection
            connection.close()
        return None

    def _put_back(self, peer: _Peer, connection: Connection) -> None:
        if connection.reusable and not self._closed and len(peer.idle) < MAX_IDLE:
            peer.idle.append((asyncio.get_running_loop().time(), connection))
        else:
            connection.close()

    def _tls_for(self, url: SplitResult) -> ssl.SSLContext | None:
        if url.scheme != "https":
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()  # what SSL_CERT_FILE names is trusted as well
        return self._tls


def _trusting(ca_file: str) -> ssl.SSLContext:
    """Return what trusts the authorities of the system, and those in a file.

    Raises:
        ConfigError: it cannot be read.
    """
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(f"web_ca_file {ca_file}: no certificates can be read from it: {exc}") from exc
    return context


def _error(status: int, body: bytes) -> QueryError | PeerUnreachable:
    try:
        content: Any = json.loads(body)
        code, reason = str(content["error"]), str(content["reason"])
    except (ValueError, KeyError, TypeError):
        return PeerUnreachable(f"it answered with status {status}, and is no worker of this application")
    if status == 413:
        return AnswerTooLarge(reason)
    if status == 400:
        return QueryError(reason, code=code)
    if status == 401:
        return PeerUnreachable("it asks for another token: web_token must be the same on all workers")
    return PeerUnreachable(f"status {status}: {reason}")


if TYPE_CHECKING:
    _: type[Peers] = HttpPeers
    _also: type[Forwards] = HttpPeers
