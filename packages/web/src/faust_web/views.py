"""Pages as classes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from starlette.responses import Response as AnyResponse

from faust_core.errors import ConfigError, DecodeError
from faust_web import exceptions
from faust_web.base import Request, Response
from faust_web.exceptions import WebError

if TYPE_CHECKING:
    from faust_web.site import Web

__all__ = ["Handler", "View", "gives_model", "takes_model"]

_bytes = bytes  # one of the methods has that name

#: A function of a view: `(self, request, **match)`.
Handler = Callable[..., Coroutine[Any, Any, AnyResponse]]
H = TypeVar("H", bound=Callable[..., Awaitable[Any]])

VERBS = ("head", "get", "post", "put", "patch", "delete", "options", "search")


class View:
    """One page: its methods `get`, `post` … answer the requests of that kind.

    There is one object of it for all requests; what belongs to a request must not be kept in it.

    Attributes:
        app: the application.
        web: its pages.
        public: it is shown to those who do not show the token as well; see the setting `web_token`.
    """

    ServerError: ClassVar[type[WebError]] = exceptions.ServerError
    ValidationError: ClassVar[type[WebError]] = exceptions.ValidationError
    ParseError: ClassVar[type[WebError]] = exceptions.ParseError
    AuthenticationFailed: ClassVar[type[WebError]] = exceptions.AuthenticationFailed
    NotAuthenticated: ClassVar[type[WebError]] = exceptions.NotAuthenticated
    PermissionDenied: ClassVar[type[WebError]] = exceptions.PermissionDenied
    NotFound: ClassVar[type[WebError]] = exceptions.NotFound
    MethodNotAllowed: ClassVar[type[WebError]] = exceptions.MethodNotAllowed
    NotAcceptable: ClassVar[type[WebError]] = exceptions.NotAcceptable
    UnsupportedMediaType: ClassVar[type[WebError]] = exceptions.UnsupportedMediaType
    Throttled: ClassVar[type[WebError]] = exceptions.Throttled
    ServiceUnavailable: ClassVar[type[WebError]] = exceptions.ServiceUnavailable

    view_name: str = ""
    view_path: str = ""
    public: bool = False

    @classmethod
    def from_handler(cls, function: Handler) -> type[View]:
        """Return a view whose `get` is this function.

        Raises:
            ConfigError: it is no async function.
        """
        if not inspect.iscoroutinefunction(function):
            raise ConfigError(f"a page is an async function (self, request) or a faust.web.View, not {function!r}")
        body = {"get": function, "__doc__": function.__doc__, "__module__": function.__module__}
        return type(function.__name__, (cls,), body)

    def __init__(self, app: Any, web: Web) -> None:
        self.app = app
        self.web = web
        self.methods: Mapping[str, Handler] = {verb: getattr(self, verb) for verb in VERBS}
        self.__post_init__()

    def __post_init__(self) -> None:
        """For subclasses: the view is made."""

    def get_methods(self) -> set[str]:
        """Return the methods that it has."""
        own = {verb for verb in VERBS if getattr(type(self), verb) is not getattr(View, verb)}
        return {verb.upper() for verb in own | ({"head"} if "get" in own else set())}

    async def __call__(self, request: Request) -> AnyResponse:
        return await self.dispatch(request)

    async def dispatch(self, request: Request) -> AnyResponse:
        """Answer a request by the method of its kind; for subclasses that do something before or after."""
        method = self.methods.get(request.method.lower())
        try:
            if method is None:
                raise exceptions.MethodNotAllowed(f"Method {request.method} not allowed.")
            return await method(request, **request.match_info)
        except WebError as exc:
            return await self.on_request_error(request, exc)

    async def on_request_error(self, _request: Request, exc: WebError) -> AnyResponse:
        """Return the answer for an error that was raised; for subclasses."""
        headers = dict(exc.headers)
        if exc.code == 405:
            headers.setdefault("Allow", ", ".join(sorted(self.get_methods())))
        return self.error(int(exc.code), exc.detail, headers, **{"error": exc.word, **exc.extra_context})

    # -- what it answers to; whatever parameters a method of a subclass has beside the request, checkers take it

    async def head(self, request: Request, *args: Any, **match: Any) -> Any:
        """Answer HEAD; by default like GET, whose body is left out."""
        return await self.get(request, *args, **match)

    async def get(self, request: Request, *args: Any, **match: Any) -> Any:  # noqa: ARG002
        """Answer GET."""
        raise exceptions.MethodNotAllowed("Method GET not allowed.")

    async def post(self, request: Request, *args: Any, **match: Any) -> Any:  # noqa: ARG002
        """Answer POST."""
        raise exceptions.MethodNotAllowed("Method POST not allowed.")

    async def put(self, request: Request, *args: Any, **match: Any) -> Any:  # noqa: ARG002
        """Answer PUT."""
        raise exceptions.MethodNotAllowed("Method PUT not allowed.")

    async def patch(self, request: Request, *args: Any, **match: Any) -> Any:  # noqa: ARG002
        """Answer PATCH."""
        raise exceptions.MethodNotAllowed("Method PATCH not allowed.")

    async def delete(self, request: Request, *args: Any, **match: Any) -> Any:  # noqa: ARG002
        """Answer DELETE."""
        raise exceptions.MethodNotAllowed("Method DELETE not allowed.")

    async def options(self, request: Request, *args: Any, **match: Any) -> Any:  # noqa: ARG002
        """Answer OPTIONS."""
        raise exceptions.MethodNotAllowed("Method OPTIONS not allowed.")

    async def search(self, request: Request, *args: Any, **match: Any) -> Any:  # noqa: ARG002
        """Answer SEARCH."""
        raise exceptions.MethodNotAllowed("Method SEARCH not allowed.")

    # -- addresses

    def path_for(self, view_name: str, **match: Any) -> str:
        """Return the path of a page by its name.

        Raises:
            KeyError: there is no page of that name.
            TypeError: a part of the path is missing, or there is none of that name.
        """
        return self.web.url_for(view_name, **match)

    def url_for(self, view_name: str, _base_url: str | None = None, **match: Any) -> str:
        """Return its whole address, at `_base_url`, or at this worker's own.  Raises as `path_for`."""
        base = str(_base_url or self.web.url).rstrip("/")
        return base + self.path_for(view_name, **match)

    # -- answers

    def text(
        self,
        value: str,
        *,
        content_type: str | None = None,
        status: int = 200,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return an answer of plain text."""
        return self.web.text(value, content_type=content_type, status=status, reason=reason, headers=headers)

    def html(
        self,
        value: str,
        *,
        content_type: str | None = None,
        status: int = 200,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return an answer of HTML; it is the page's business to escape what others wrote."""
        return self.web.html(value, content_type=content_type, status=status, reason=reason, headers=headers)

    def json(
        self,
        value: Any,
        *,
        content_type: str | None = None,
        status: int = 200,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return an answer of JSON: records, dates, and whatever else values of topics may be.

        Raises:
            EncodeError: JSON has nothing for it.
        """
        return self.web.json(value, content_type=content_type, status=status, reason=reason, headers=headers)

    def bytes(
        self,
        value: _bytes,
        *,
        content_type: str | None = None,
        status: int = 200,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Return an answer of bytes."""
        return self.web.bytes(value, content_type=content_type, status=status, reason=reason, headers=headers)

    def error(self, status: int, reason: str, headers: Mapping[str, str] | None = None, **context: Any) -> Response:
        """Return an error: `{"error": word, "reason": reason, **context}`."""
        content = {"error": exceptions.word_of(status), "reason": reason, **context}
        return self.json(content, status=status, headers=headers)

    def notfound(self, reason: str = "Not found.", **context: Any) -> Response:
        """Return an error of status 404; `raise self.NotFound()` does so from anywhere."""
        return self.error(404, reason, **context)

    async def read_request_content(self, request: Request) -> _bytes:
        """Return the body of a request; raises as `Request.read`."""
        return await self.web.read_request_content(request)

    def bytes_to_response(self, data: _bytes) -> Response:
        return self.web.bytes_to_response(data)

    def response_to_bytes(self, response: AnyResponse) -> _bytes:
        return self.web.response_to_bytes(response)

    def route(self, pattern: str, handler: Handler) -> Handler:
        """Have a function answer the requests to a path, of any method."""
        self.web.route(pattern, handler)
        return handler


def takes_model(model: Any) -> Callable[[Handler], Handler]:
    """Give a page's function what the request's body holds, as a record, behind the request.

    A body that is no such record is answered with status 400, which says what is wrong where.

    Args:
        model: a class with `loads`, such as a `faust.Record`.

    Raises:
        ConfigError: it has none.
    """
    if not callable(getattr(model, "loads", None)):
        raise ConfigError(f"takes_model: {model!r} is no faust.Record: it has no method loads()")

    def decorate(function: Handler) -> Handler:
        @wraps(function)
        async def read(view: View, request: Request, *args: Any, **match: Any) -> AnyResponse:
            data = await view.read_request_content(request)
            try:
                record = model.loads(data, serializer="json")
            except (DecodeError, ValueError) as exc:
                raise exceptions.ValidationError(f"the body is no {model.__name__}: {exc}") from exc
            return await function(view, request, record, *args, **match)

        return read

    return decorate


def gives_model(model: Any) -> Callable[[Callable[..., Awaitable[Any]]], Handler]:
    """Answer with the record that a page's function returns, as JSON.

    Args:
        model: what it returns.  A response, such as an error, is answered as it is.
    """

    def decorate(function: Callable[..., Awaitable[Any]]) -> Handler:
        @wraps(function)
        async def write(view: View, request: Request, *args: Any, **match: Any) -> AnyResponse:
            found = await function(view, request, *args, **match)
            if isinstance(found, AnyResponse):
                return found
            if isinstance(model, type) and not isinstance(found, model):
                raise TypeError(f"the page gives a {model.__name__}, and has returned a {type(found).__name__}")
            return view.json(found)

        return write

    return decorate


async def within(seconds: float, work: Awaitable[AnyResponse]) -> AnyResponse:
    """Do what a request needs, for so long at most.

    Raises:
        ServiceUnavailable: it took longer; it was cancelled.
    """
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            return await work
    except TimeoutError as exc:
        if not scope.expired():
            raise
        raise exceptions.ServiceUnavailable(f"the page has not answered in {seconds:g} s", error="timeout") from exc
