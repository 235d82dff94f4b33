"""A worker's own HTTP server: uvicorn, on the worker's event loop."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from faust_core.errors import ConfigError
from faust_core.protocols.queries import Served
from faust_core.protocols.web import WebContext, WebServer
from faust_web.application import make_application, own_hosts
from faust_web.guard import is_loopback
from faust_web.site import Web
from faust_web.unix_sockets import remove_socket, unix_socket

__all__ = ["Server"]

log = logging.getLogger(__name__)

BACKLOG = 512
#: Connections beyond the requests that are answered: idle ones, and those that are refused.
SPARE_CONNECTIONS = 1000
KEEP_ALIVE_S = 10
#: What is under way at the end may take so long.
LAST_ANSWERS_S = 3
EVERYWHERE = frozenset({"0.0.0.0", "::", "*"})  # noqa: S104  they are what a setting may say


class _Uvicorn(uvicorn.Server):
    """Signals are the worker's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    """Serves one worker."""

    def __init__(self, served: Served, context: WebContext, web: Web | None = None) -> None:
        self._context = context
        self._application = make_application(served, context, web, hosts=own_hosts(context))
        self._socket: socket.socket | None = None
        self._inode = 0

    async def bind(self) -> str | None:
        context = self._context
        if context.unix_path is not None:
            self._socket, self._inode = unix_socket(context.unix_path)
            return context.canonical_url  # of the proxy before it; without one others cannot ask this worker
        bound = self._socket = self._listen()
        if not is_loopback(context.bind) and context.token is None:
            log.warning(
                "HTTP at %s is open to all who reach it: set web_token, or leave it to this machine by "
                "web_bind=127.0.0.1",
                context.bind,
            )
        return self._url(bound.getsockname()[1])

    def _listen(self) -> socket.socket:
        context = self._context
        try:
            return _listening(context.bind, context.port)
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE and context.any_port and context.port:
                free = _listening(context.bind, 0)
                log.info("port %d is taken: HTTP is at port %d", context.port, free.getsockname()[1])
                return free
            raise ConfigError(
                f"HTTP cannot be served at {context.bind}:{context.port}: {exc.strerror or exc}. Set web_port or "
                "web_bind to what is free, or web_enabled to false"
            ) from exc

    def _url(self, port: int) -> str:
        context = self._context
        if context.canonical_url is not None:
            return context.canonical_url
        host = context.host or (socket.gethostname() if context.bind in EVERYWHERE else context.bind)
        scheme = "http" if context.ssl_context is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    async def run(self) -> None:
        assert self._socket is not None, "bind() first"
        tls = self._context.ssl_context
        config = uvicorn.Config(
            self._application,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=2 * self._context.max_requests + SPARE_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=LAST_ANSWERS_S,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        )
        server = _Uvicorn(config)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]), name="faust http")
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            _, unfinished = await asyncio.wait([serving], timeout=LAST_ANSWERS_S + 2)
            if unfinished:
                serving.cancel()
                await asyncio.wait([serving])
            await self.aclose()

    async def aclose(self) -> None:
        bound, self._socket = self._socket, None
        if bound is not None:
            bound.close()
            if self._context.unix_path is not None:
                remove_socket(self._context.unix_path, self._inode)


def _listening(host: str, port: int) -> socket.socket:
    """Raises:
    OSError: it is taken, or no address of this machine.
    """
    host = "" if host == "*" else host
    family, kind, protocol, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    # With its protocol: asyncio leaves the sockets of others as they are, and small answers would wait for 40 ms.
    bound = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two processes share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)  # else another process could bind to it as well
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


if TYPE_CHECKING:
    _: type[WebServer] = Server
