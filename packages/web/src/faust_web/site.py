"""The pages of one application: `app.web`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse
from starlette.responses import Response as AnyResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from faust_core.errors import ConfigError
from faust_core.protocols.web import WebHost
from faust_web.base import Request, Response, below_root
from faust_web.blueprints import BlueprintManager
from faust_web.cache import PatientCache
from faust_web.cors import CorsOptions, read_cors_options
from faust_web.patterns import Pattern, decoded
from faust_web.routing import key_from, routed
from faust_web.views import Handler, View

__all__ = ["Page", "Web"]

Decorator = Callable[[Any], Any]
_bytes = bytes  # one of the methods has that name


@dataclass(frozen=True, slots=True)
class Page:
    """What answers at a path.

    Attributes:
        handler: called with the request; a `View`, or a function.
        cors: whose scripts may read it; None as for other pages.
    """

    pattern: Pattern
    handler: Callable[[Request], Any]
    name: str
    cors: CorsOptions | None = None

    @property
    def public(self) -> bool:
        return bool(getattr(self.handler, "public", False))


class Web:
    """Declares pages and finds them; makes answers.  The first page that was declared for a path answers it.

    Attributes:
        app: the application.
        views: by path.
        reverse_names: the path of each page by its name.
        caches: how the caches of pages do.
    """

    def __init__(self, app: WebHost) -> None:
        self.app = app
        self.views: dict[str, Any] = {}
        self.reverse_names: dict[str, str] = {}
        self.blueprints = BlueprintManager()
        self.caches = PatientCache()
        self._pages: list[Page] = []
        self._begun = False

    # -- declaring

    def page(
        self, path: str, *, base: Any = None, cors_options: Mapping[str, Any] | None = None, name: str | None = None
    ) -> Decorator:
        """Show a page; see `app.page`.  Returns the view's class."""

        def declare(shown: Any) -> type[View]:
            if isinstance(shown, type):
                if not issubclass(shown, View):
                    raise ConfigError(f"page {path!r}: {shown.__name__} is no subclass of faust.web.View")
                made: type[View] = shown
                default = shown.__dict__.get("view_name") or shown.__name__
            else:
                made = (base or View).from_handler(shown)
                default = f"{shown.__module__}.{shown.__name__}"
            view = made(self.app, self)
            view.view_name, view.view_path = name or default, path
            self._add(path, view, view.view_name, cors_options)
            return made

        return declare

    def add_view(
        self, view_cls: type[View], *, prefix: str = "", cors_options: Mapping[str, Any] | None = None
    ) -> View:
        """Show a view under its own `view_path` and `view_name`; returns its object."""
        view = view_cls(self.app, self)
        path = f"{prefix.rstrip('/')}/{view.view_path.lstrip('/')}"
        self._add(path, view, view.view_name or view_cls.__name__, cors_options)
        return view

    def route(self, pattern: str, handler: Handler, cors_options: Mapping[str, Any] | None = None) -> None:
        """Have a function `(request)`, or a view's object, answer the requests to a path, of any method."""
        self._add(pattern, handler, getattr(handler, "view_name", "") or repr(handler), cors_options)

    def add_static(self, prefix: str, path: Path | str, *, name: str | None = None) -> None:
        """Show the files of a directory, or one file.

        Raises:
            ConfigError: there is no such file or directory.
        """
        place = Path(path)
        if not place.exists():
            raise ConfigError(f"static files at {prefix!r}: there is no {str(place)!r}")
        shown = f"/{prefix.strip('/')}"
        if place.is_dir():
            files = StaticFiles(directory=place)
            pattern = f"{shown.rstrip('/')}/{{file:.*}}"

            async def handler(request: Request) -> AnyResponse:
                _read_only(request)
                return await files.get_response(request.match_info["file"], request.scope)
        else:
            pattern = shown

            async def handler(request: Request) -> AnyResponse:
                _read_only(request)
                return FileResponse(place)

        self._add(pattern, handler, name or pattern, None)

    def _add(self, path: str, handler: Any, name: str, cors_options: Mapping[str, Any] | None) -> None:
        pattern = Pattern(path)
        if pattern.path in self.views:
            raise ConfigError(f"there is a page at {pattern.path} already: {self.views[pattern.path]!r}")
        cors = None if cors_options is None else read_cors_options(cors_options, f"cors_options of page {path!r}")
        if cors and self._begun and not self.has_cors:
            raise ConfigError(f"page {path!r} has cors_options: declare it before HTTP is served")
        self._pages.append(Page(pattern, handler, name, cors))
        self.views[pattern.path] = handler
        self.reverse_names.setdefault(name, pattern.path)

    def table_route(self, table: Any, *, query_param: Any, match_info: Any, exact_key: Any) -> Decorator:
        """See `app.table_route`."""
        key = key_from("app.table_route", query_param, match_info, exact_key)
        return routed("app.table_route", key, lambda app, found: app.router.table_owner(table, found))

    def topic_route(self, topic: Any, *, query_param: Any, match_info: Any, exact_key: Any) -> Decorator:
        """See `app.topic_route`."""
        if isinstance(topic, str):
            topic = self.app.topic(topic)  # type: ignore[attr-defined]  # applications have it
        key = key_from("app.topic_route", query_param, match_info, exact_key)
        return routed("app.topic_route", key, lambda app, found: app.router.topic_owner(topic, found))

    # -- finding

    def begin(self) -> None:
        """HTTP is about to be served: look blueprints up, and call the application's hook.

        Raises:
            ConfigError: a page is wrong.
        """
        self.blueprints.apply(self)
        if not self._begun:
            self.app.on_webserver_init(self)
            self.blueprints.apply(self)
            self._begun = True

    @property
    def has_cors(self) -> bool:
        return any(page.cors is not None for page in self._pages)

    def find(self, scope: Scope) -> tuple[Page, dict[str, str]] | None:
        """Return the page that a request is for, and the parts of its path."""
        path = decoded(below_root(scope))
        for page in self._pages if path is not None else ():
            if (match := page.pattern.match(path or "")) is not None:
                return page, match
        return None

    def page_of(self, scope: Scope) -> Page | None:
        found = self.find(scope)
        return None if found is None else found[0]

    def url_for(self, view_name: str, **match: Any) -> str:
        """Return the path of a page by its name.

        Raises:
            KeyError: there is no page of that name.
            TypeError: a part of the path is missing, or there is none of that name.
        """
        try:
            path = self.reverse_names[view_name]
        except KeyError:
            raise KeyError(f"no page is called {view_name!r}") from None
        return Pattern(path).fill(match)

    @property
    def url(self) -> str:
        """The address of this worker; while it does not run, the one that the settings say."""
        return str(getattr(self.app, "url", None) or self.app.conf.canonical_url)

    # -- answers

    def text(self, value: str, *, content_type: str | None = None, **options: Any) -> Response:
        return Response(text=value, content_type=content_type or "text/plain", **options)

    def html(self, value: str, *, content_type: str | None = None, **options: Any) -> Response:
        return Response(text=value, content_type=content_type or "text/html", **options)

    def json(self, value: Any, *, content_type: str | None = None, **options: Any) -> Response:
        body = self.app.write_json(value)
        return Response(body, content_type=content_type or "application/json", **options)

    def bytes(self, value: _bytes, *, content_type: str | None = None, **options: Any) -> Response:
        return Response(value, content_type=content_type or "application/octet-stream", **options)

    async def read_request_content(self, request: Request) -> _bytes:
        return await request.read()

    def response_to_bytes(self, response: AnyResponse) -> _bytes:
        """Return an answer as it is kept."""
        headers = [[name, value] for name, value in response.headers.items() if name != "content-length"]
        head = json.dumps({"status": response.status_code, "headers": headers}).encode()
        return b"%s\n%s" % (head, _bytes(response.body))

    def bytes_to_response(self, data: _bytes) -> Response:
        """Undo `response_to_bytes`.

        Raises:
            ValueError: it is no kept answer.
        """
        head, separator, body = data.partition(b"\n")
        try:
            read = json.loads(head)
            response = Response(body, status=int(read["status"]))
            del response.headers["content-type"]
            for name, value in read["headers"]:
                response.headers.append(name, value)
        except (KeyError, TypeError, AttributeError, ValueError) as exc:
            raise ValueError(f"no kept answer: {type(exc).__name__}") from exc
        if not separator:
            raise ValueError("no kept answer: it is cut off")
        return response


def _read_only(request: Request) -> None:
    if request.method not in {"GET", "HEAD"}:
        raise HTTPException(405, headers={"Allow": "GET, HEAD"})


def is_response(answer: object) -> bool:
    """Whether a page has returned what can be sent: a response of ours or of Starlette, or an ASGI application."""
    return isinstance(answer, AnyResponse) or (callable(answer) and not inspect.isclass(answer))
