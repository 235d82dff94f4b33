"""Whose scripts may read pages: CORS, by origin."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from faust_core.errors import ConfigError
from faust_web.guard import error_body

__all__ = ["Cors", "CorsOptions", "ResourceOptions", "read_cors_options"]


class ResourceOptions(NamedTuple):
    """What scripts of one origin may do.

    Attributes:
        allow_credentials: send cookies and `Authorization`.
        expose_headers: read these headers of answers; `*` for all.
        allow_headers: send these headers; `*` for any.
        max_age: seconds that a browser may go by this without asking again.
        allow_methods: use these methods; None and `*` for any.
    """

    allow_credentials: bool = False
    expose_headers: Sequence[str] | str = ()
    allow_headers: Sequence[str] | str = ()
    max_age: int | None = None
    allow_methods: Sequence[str] | str | None = None


#: By origin, such as `https://shop.example`; `*` stands for all others.
CorsOptions = Mapping[str, ResourceOptions]


def read_cors_options(given: Mapping[Any, Any], where: str) -> CorsOptions:
    """Return options that are given as objects or dicts.

    Raises:
        ConfigError: an origin or an option is wrong; says which and what it may be.
    """
    read: dict[str, ResourceOptions] = {}
    for origin, options in given.items():
        if not isinstance(origin, str) or (origin != "*" and ("://" not in origin or origin.endswith("/"))):
            raise ConfigError(f"{where}: {origin!r} is no origin such as https://shop.example, and not *")
        read[origin] = _read(options, f"{where}, {origin}")
    return read


def _read(options: Any, where: str) -> ResourceOptions:
    named = options._asdict() if hasattr(options, "_asdict") else options
    if not isinstance(named, Mapping):
        raise ConfigError(f"{where}: {options!r} is neither a dict nor a faust.web.ResourceOptions")
    unknown = sorted(set(named) - set(ResourceOptions._fields))
    if unknown:
        raise ConfigError(f"{where}: no option {unknown[0]!r}; there are {', '.join(ResourceOptions._fields)}")
    if not isinstance(named.get("allow_credentials", False), bool):
        raise ConfigError(f"{where}: allow_credentials is True or False")
    max_age = named.get("max_age")
    if max_age is not None and (isinstance(max_age, bool) or not isinstance(max_age, int) or max_age < 0):
        raise ConfigError(f"{where}: max_age={max_age!r} is no number of seconds")
    names = {
        option: _names(named[option], f"{where}: {option}")
        for option in ("expose_headers", "allow_headers", "allow_methods")
        if named.get(option) is not None
    }
    return ResourceOptions(**{**named, **names})


def _names(value: Any, where: str) -> Sequence[str] | str:
    if value == "*":
        return "*"
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigError(f"{where}={value!r}: give a list of names, or '*'")
    names = tuple(value)
    if not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{where}={value!r}: give a list of names, or '*'")
    return "*" if "*" in names else names


class _OneOrigin(CORSMiddleware):
    """Says no in JSON."""

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        headers = {name: value for name, value in answer.headers.items() if name.startswith(("access-", "vary"))}
        body = error_body("cors", bytes(answer.body).decode())
        return Response(body, answer.status_code, headers, "application/json")


class Cors:
    """Stands before everything else: browsers ask without credentials first, and must be able to read refusals."""

    def __init__(
        self, inner: ASGIApp, default: CorsOptions | None, of_page: Callable[[Scope], CorsOptions | None]
    ) -> None:
        """Args:
        default: of all pages that have no options of their own.
        of_page: those of the page that a request is for.
        """
        self.inner = inner
        self._default = default or {}
        self._of_page = of_page
        self._made: dict[tuple[str, ResourceOptions], ASGIApp] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self.inner
        if scope["type"] == "http" and (origin := Headers(scope=scope).get("origin")) is not None:
            by_origin = self._of_page(scope)
            by_origin = self._default if by_origin is None else by_origin
            name = origin if origin in by_origin else "*"
            if name in by_origin:
                app = self._for(name, by_origin[name])
        await app(scope, receive, send)

    def _for(self, origin: str, options: ResourceOptions) -> ASGIApp:
        key = origin, options
        if key not in self._made:
            self._made[key] = _OneOrigin(
                self.inner,
                allow_origins=[origin],
                allow_methods=_listed("*" if options.allow_methods is None else options.allow_methods),
                allow_headers=_listed(options.allow_headers),
                allow_credentials=options.allow_credentials,
                expose_headers=_listed(options.expose_headers),
                max_age=600 if options.max_age is None else options.max_age,
            )
        return self._made[key]


def _listed(names: Sequence[str] | str) -> Sequence[str]:
    return ["*"] if names == "*" else list(names)
