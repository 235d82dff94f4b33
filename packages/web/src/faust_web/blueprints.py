"""Pages that belong together, to be put under a path of any application."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faust_core.errors import ConfigError
from faust_core.protocols.cache import CacheBackend
from faust_web.cache import Cache

if TYPE_CHECKING:
    from faust_web.site import Web

__all__ = ["Blueprint", "BlueprintManager"]


@dataclass(frozen=True, slots=True)
class _Route:
    path: str
    view: Any
    name: str | None
    cors_options: Mapping[str, Any] | None
    base: Any


class Blueprint:
    """Declares pages without an application.

    Their names begin with the blueprint's: `users:detail`.

    Args:
        name: of the blueprint.
        url_prefix: the path that its pages are under, where `register` says no other.
    """

    def __init__(self, name: str, *, url_prefix: str | None = None) -> None:
        if not name or ":" in name:
            raise ConfigError(f"{name!r} cannot be the name of a blueprint: give one without a colon")
        self.name = name
        self.url_prefix = url_prefix
        self._routes: list[_Route] = []
        self._static: list[tuple[str, Path, str | None]] = []

    def route(
        self,
        uri: str,
        *,
        name: str | None = None,
        cors_options: Mapping[str, Any] | None = None,
        base: Any = None,
    ) -> Callable[[Any], Any]:
        """Show a page, as `app.page` does, at this path under the blueprint's."""

        def declare(view: Any) -> Any:
            self._routes.append(_Route(uri, view, name, cors_options, base))
            return view

        return declare

    def static(self, uri: str, file_or_directory: str | Path, *, name: str | None = None) -> None:
        """Show files."""
        self._static.append((uri, Path(file_or_directory), name))

    def cache(
        self,
        timeout: Any = None,
        include_headers: bool | Iterable[str] = False,
        key_prefix: str | None = None,
        backend: CacheBackend | None = None,
    ) -> Cache:
        """Return a cache for its pages; see `Cache`."""
        return Cache(timeout, include_headers, key_prefix, backend)

    def register(self, app: Any, *, url_prefix: str | None = None) -> None:
        """Show its pages in an application.

        Raises:
            ConfigError: there are pages at these paths, or a path is wrong.
        """
        self.apply(app.web, url_prefix)

    def apply(self, web: Web, url_prefix: str | None = None) -> None:
        prefix = (self.url_prefix if url_prefix is None else url_prefix) or ""
        for route in self._routes:
            shown = route.name or getattr(route.view, "view_name", "") or route.view.__name__
            web.page(
                _under(prefix, route.path),
                base=route.base,
                cors_options=route.cors_options,
                name=f"{self.name}:{shown}",
            )(route.view)
        for uri, path, name in self._static:
            web.add_static(_under(prefix, uri), path, name=f"{self.name}:{name or 'static'}")
        self.init_webserver(web)

    def init_webserver(self, web: Web) -> None:
        """For subclasses: its pages are part of these."""
        self.on_webserver_init(web)

    def on_webserver_init(self, web: Web) -> None:
        """Likewise."""

    def __repr__(self) -> str:
        return f"<Blueprint: {self.name}>"


def _under(prefix: str, path: str) -> str:
    return f"/{prefix.strip('/')}/{path.lstrip('/')}" if prefix.strip("/") else f"/{path.lstrip('/')}"


class BlueprintManager:
    """`app.web.blueprints`: where blueprints are added, by themselves or by name; they are looked up when served."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Any]] = []

    def add(self, prefix: str, blueprint: Blueprint | str) -> None:
        """Show a blueprint's pages under a path.

        Args:
            blueprint: or where it is: `module:name`, `module.name`.
        """
        self._waiting.append((prefix, blueprint))

    def apply(self, web: Web) -> None:
        """Show all that were added since the last call.

        Raises:
            ConfigError: one cannot be found, or its pages are wrong.
        """
        waiting, self._waiting = self._waiting, []
        for prefix, blueprint in waiting:
            (_found(blueprint) if isinstance(blueprint, str) else blueprint).apply(web, prefix)


def _found(name: str) -> Blueprint:
    module, _, attribute = name.partition(":") if ":" in name else name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as exc:
        raise ConfigError(f"there is no blueprint {name!r}: {exc}") from exc
    if not isinstance(found, Blueprint):
        raise ConfigError(f"{name!r} is no blueprint, but {found!r}")
    return found
