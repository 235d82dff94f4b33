"""What serves a worker over HTTP: implemented by faust-web, found by the entry-point group `faust.web`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from faust_core.protocols.cache import CacheBackend
from faust_core.protocols.queries import Peers, Served

__all__ = [
    "AsgiApplication",
    "ForwardedAnswer",
    "ForwardedRequest",
    "Forwards",
    "Owner",
    "WebContext",
    "WebHost",
    "WebPlugin",
    "WebRouter",
    "WebServer",
]

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
        debug: answers may tell what went wrong inside.
        stats: show `/stats` and `/assignment/`.
        router: show `/router/`.
        cors: whose scripts may read pages, by origin; None for nobody's.
        unix_path: listen at this socket, and at no port.
        ca_file: whose certificates other workers may have, beside those that the system trusts.
        request_timeout_s: until a page must have answered.
        route_timeout_s: to find the worker that a request is for, tries while its owner moves included.
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
    debug: bool = False
    stats: bool = False
    router: bool = True
    cors: Mapping[str, Any] | None = None
    unix_path: str | None = None
    ca_file: str | None = None
    request_timeout_s: float = 60.0
    route_timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Owner:
    """Where a key's partition is.

    Attributes:
        here: this worker has it.
        url: where the worker that has it can be asked; None where that is not known.
        refusal: why it is neither here nor known elsewhere, in a word.
        reason: the same in a sentence.
    """

    here: bool = False
    url: str | None = None
    refusal: str = ""
    reason: str = ""


class WebRouter(Protocol):
    """Knows which worker has what: by the map of the last assignment, and for this worker by what runs."""

    def table_owner(self, table: Any, key: str, /) -> Owner:
        """Return where a key of a table is; `key` is text, read as the table's type.

        Raises:
            QueryError: there is no such table, or this is no key of it.
        """
        ...

    def topic_owner(self, topic: Any, key: str, /) -> Owner:
        """Return where events of a key are processed, by the default partitioner.

        Raises:
            QueryError: no agent reads that topic, or this is no key of it.
        """
        ...

    def tables_metadata(self) -> Mapping[str, Mapping[str, Sequence[int]]]:
        """Return the partitions of each table's changelog, by the URL of the worker that owns them."""
        ...

    def table_metadata(self, table: str, /) -> Mapping[str, Mapping[str, Sequence[int]]]:
        """Return the same of one table.

        Raises:
            QueryError: there is no such table.
        """
        ...

    def external_topics_metadata(self) -> Mapping[str, Mapping[str, Sequence[int]]]:
        """Return the partitions of each topic that agents read, by the URL of the worker that processes them."""
        ...

    @property
    def peers(self) -> Peers | None:
        """The way to other workers; None while the application does not run."""
        ...


@dataclass(frozen=True, slots=True)
class ForwardedRequest:
    """A request as another worker shall get it.

    Attributes:
        target: path and query, percent-encoded, below the other worker's own address.
    """

    method: str
    target: str
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ForwardedAnswer:
    """What the other worker has answered."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Forwards(Protocol):
    """The ability of `Peers` to hand whole requests on."""

    async def forward(self, endpoint: str, request: ForwardedRequest, /, *, timeout_s: float) -> ForwardedAnswer:
        """Return the answer of the worker at `endpoint`.  Cancelling ends the request.

        Raises:
            PeerUnreachable: no answer in time, or none that can be read; its `sent` says whether the request may have
                been seen there.
        """
        ...


class WebHost(Protocol):
    """The application that pages belong to."""

    @property
    def id(self) -> str: ...

    @property
    def conf(self) -> Any: ...

    @property
    def served(self) -> Served: ...

    @property
    def router(self) -> WebRouter: ...

    @property
    def cache(self) -> CacheBackend: ...

    @property
    def clock(self) -> Any: ...

    def web_stats(self) -> Mapping[str, Any]:
        """Return what `/stats` shows."""
        ...

    def web_assignment(self) -> Mapping[str, Any]:
        """Return what `/assignment/` shows."""
        ...

    def write_json(self, value: Any, /) -> bytes:
        """Return a value as JSON: records, dates and whatever else the codec `json` writes.

        Raises:
            EncodeError: JSON has nothing for it.
        """
        ...

    def on_webserver_init(self, web: Any, /) -> None:
        """The hook of applications: pages may be added still."""
        ...


class WebServer(Protocol):
    """Listens for one worker."""

    async def bind(self) -> str | None:
        """Take the port; return the URL under which others reach this worker, None where they do not.

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

    def web(self, host: WebHost, /) -> Any:
        """Make what an application declares its pages by: `app.web`."""
        ...

    def application(self, served: Served, context: WebContext, web: Any = None, /) -> AsgiApplication:
        """Make an ASGI application, to be served or mounted in another one.

        Args:
            web: of `web()`: its pages are shown, too.

        Raises:
            ConfigError: pages or settings are wrong.
        """
        ...

    def server(self, served: Served, context: WebContext, web: Any = None, /) -> WebServer:
        """Make a server of that application; nothing is opened yet.  Raises likewise."""
        ...

    def peers(self, context: WebContext, /) -> Peers:
        """Make the way to other workers; nothing is opened yet."""
        ...
