"""Declaring what an application shows over HTTP: pages, routes and their cache; faust-web has all that is behind it."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from faust_core.engine.router import Router
from faust_core.engine.served import write_json
from faust_core.engine.stats import assignment_of, stats_of
from faust_core.errors import PluginMissing
from faust_core.protocols.cache import CacheBackend, CacheContext
from faust_core.protocols.queries import Served
from faust_core.protocols.web import WebPlugin
from faust_core.registry import cache_factory, web_plugin

if TYPE_CHECKING:
    from faust_core.agents import Agent
    from faust_core.clock import Clock
    from faust_core.engine.worker import Worker
    from faust_core.settings import Settings
    from faust_core.tables import Table

__all__ = ["DeclaresWeb"]

log = logging.getLogger(__name__)

S = TypeVar("S")


class DeclaresWeb(ABC):
    """The web pages of an application, and its cache."""

    conf: Settings
    clock: Clock
    tables: dict[str, Table[Any, Any]]
    agents: dict[str, Agent[Any]]
    served: Served
    #: caches are in memory, whatever the settings say; for tests
    stores_in_memory: bool

    def __init__(self) -> None:
        super().__init__()
        self._pages: Any = None
        self._cache: CacheBackend | None = None
        #: a service of the application's own serves HTTP
        self._serves_itself = False

    @property
    @abstractmethod
    def id(self) -> str:
        """What names the application."""

    @abstractmethod
    def service(self, service: Any, /, *, on_error: str = "log") -> Any:
        """Run a service beside the agents."""

    @property
    @abstractmethod
    def worker(self) -> Worker | None:
        """The running worker; None while the application is not started."""

    # -- what pages use

    @property
    def cache(self) -> CacheBackend:
        """Where pages, and whatever else the application likes, are kept for a while; see the setting `cache`.

        Raises:
            PluginMissing: there is no cache for that URL; the message says what to install.
            ConfigError: the URL is wrong.
        """
        if self._cache is None:
            url = "memory://" if self.stores_in_memory else self.conf.cache
            self._cache = cache_factory(url)(url, CacheContext(self.conf.id, self.clock))
        return self._cache

    async def _close_cache(self) -> None:
        cache, self._cache = self._cache, None
        if cache is not None:
            await cache.aclose()

    @property
    def router(self) -> Router:
        """Which worker has what."""
        return Router(self.tables, lambda: self.worker)

    def web_stats(self) -> Mapping[str, Any]:
        return stats_of(self.conf.id, self.worker, self.agents)

    def web_assignment(self) -> Mapping[str, Any]:
        return assignment_of(self.worker)

    def write_json(self, value: Any, /) -> bytes:
        return write_json(value)

    def on_webserver_init(self, web: Any, /) -> None:  # noqa: B027  a hook
        """Hook of subclasses: HTTP is about to be served; pages may be added to `web` still."""

    # -- declaring

    @property
    def web(self) -> Any:
        """The pages: `faust.web.Web`.

        Raises:
            PluginMissing: faust-web is not installed.
        """
        if self._pages is None:
            self._pages = self._web_plugin("app.web").web(self)
        return self._pages

    def _web_plugin(self, wanted: str) -> WebPlugin:
        plugin = web_plugin()
        if plugin is None:
            raise PluginMissing(f"{wanted} needs the web package: pip install faust-web")
        return plugin

    def page(
        self, path: str, *, base: Any = None, cors_options: Mapping[str, Any] | None = None, name: str | None = None
    ) -> Callable[[Any], Any]:
        """Show a page: an async function `(self, request, **match)` for GET, or a class, `faust.web.View`.

        Args:
            path: may have parts such as `{user_id}`, or `{user_id:[0-9]+}`, which are given to the function by name.
            base: the class that a function's view is made from.
            cors_options: whose scripts may read it; as the setting `web_cors_options`, which it takes the place of.
            name: for `url_for`; by default the function's or class's.

        Raises:
            PluginMissing: faust-web is not installed.
            ConfigError: there is a page at that path, or the path or options are wrong.
        """
        declare: Callable[[Any], Any] = self._declared_by("app.page").page(
            path, base=base, cors_options=cors_options, name=name
        )
        return declare

    def table_route(
        self,
        table: Any,
        shard_param: str | None = None,
        *,
        query_param: str | None = None,
        match_info: str | None = None,
        exact_key: str | None = None,
    ) -> Callable[[Any], Any]:
        """Have a page's function run on the worker that owns a key of a table; other workers hand the request on.

        Args:
            query_param: the key is this parameter of the query; `shard_param` is its older name.
            match_info: the key is this part of the path.
            exact_key: the key itself.

        Raises:
            ConfigError: none of them is given, or more than one.
        """
        route: Callable[[Any], Any] = self._declared_by("app.table_route").table_route(
            table, query_param=query_param or shard_param, match_info=match_info, exact_key=exact_key
        )
        return route

    def topic_route(
        self,
        topic: Any,
        shard_param: str | None = None,
        *,
        query_param: str | None = None,
        match_info: str | None = None,
        exact_key: str | None = None,
    ) -> Callable[[Any], Any]:
        """Likewise, on the worker that processes the events of a topic that have the key."""
        route: Callable[[Any], Any] = self._declared_by("app.topic_route").topic_route(
            topic, query_param=query_param or shard_param, match_info=match_info, exact_key=exact_key
        )
        return route

    def _declared_by(self, wanted: str) -> Any:
        if self._pages is None:
            self._web_plugin(wanted)  # so that the message names what was wanted
        return self.web

    def web_server(self, service: S) -> S:
        """Have a service serve HTTP instead of the built-in server; a decorator of classes, and for objects, too.

        It is run as `app.service` runs one.  Mount `app.asgi()` in it, and set `canonical_url` to where that is, so
        that pages and queries of other workers arrive.

        Raises:
            ConfigError: it has no async `start` and `stop`.
        """
        self.service(service)
        self._serves_itself = True
        return service
