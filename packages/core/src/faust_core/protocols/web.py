"""What serves a worker over HTTP: implemented by faust-web, found by the entry-point group `faust.web`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from faust_core.protocols.queries import Peers, Served

__all__ = ["AsgiApplication", "WebContext", "WebPlugin", "WebServer"]

#: An ASGI application, version 3.
AsgiApplication = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


@dataclass(frozen=True, slots=True)
class WebContext:
    """The settings that concern HTTP.

    Attributes:
        bind, port: where to listen; port 0 takes a free one.
        any_port: where `port` is taken, take a free one.
        host: under which others reach this worker; None follows from `bind`.
        canonical_url: the whole address under which others reach it; None: made from `host` and the port.
        token: what callers must show, and what is shown to other workers; None for nothing.
        tables: whether tables can be queried from outside; other workers can in any case.
        max_requests: requests at the same time, more are refused.
    """

    bind: str = "127.0.0.1"
    port: int = 6066
    any_port: bool = True
    host: str | None = None
    canonical_url: str | None = None
    token: str | None = field(default=None, repr=False)
    ssl_context: Any = None
    tables: bool = True
    max_requests: int = 200


class WebServer(Protocol):
    """Listens for one worker."""

    async def bind(self) -> str:
        """Take the port; return the URL under which others reach this worker.

        Raises:
            ConfigError: the address cannot be listened at; says which setting to change.
        """
        ...

    async def run(self) -> None:
        """Serve until cancelled; then finish what is under way, for a bounded time, and free the port."""
        ...

    async def aclose(self) -> None:
        """Free the port where `run` was never called.  Idempotent."""
        ...


class WebPlugin(Protocol):
    """What an entry point in the group `faust.web` names."""

    def application(self, served: Served, context: WebContext, /) -> AsgiApplication:
        """Make an ASGI application, to be served or mounted in another one."""
        ...

    def server(self, served: Served, context: WebContext, /) -> WebServer:
        """Make a server of that application; nothing is opened yet."""
        ...

    def peers(self, context: WebContext, /) -> Peers:
        """Make the way to other workers; nothing is opened yet."""
        ...
