"""Faust and an ASGI application in one process, on one event loop.

Where an ASGI server runs the program, the application's life is that of the server:

    api = FastAPI(lifespan=faust_lifespan(app))

Where `faust worker` does, the worker serves the ASGI application beside its own pages:

    serve_asgi(app, api, port=8000)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from faust_core.app import App
from faust_core.errors import ConfigError, PluginMissing
from faust_core.services import Service

__all__ = ["AsgiService", "FaustLifespanMiddleware", "faust_app_running", "faust_lifespan", "serve_asgi"]

log = logging.getLogger(__name__)

#: Requests that are under way when the worker stops may take so long.
LAST_ANSWERS_S = 10

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@asynccontextmanager
async def faust_app_running(
    app: App, *, finalize: bool = True, discover: bool | None = None, stop_timeout: float | None = None
) -> AsyncIterator[App]:
    """Run an application inside of the block.  One that runs already is left running.

    Args:
        finalize: say that its settings are final before it starts.
        discover: import the modules of its agents first; where None, as the setting `autodiscover` says.
        stop_timeout: seconds that stopping may take; None for as long as the setting `shutdown_timeout` lets it.

    Raises:
        FaustError: why it cannot start.
        TimeoutError: it did not stop in time.
    """
    if finalize:
        app.finalize()
    if app.conf.autodiscover if discover is None else discover:
        find = getattr(app, "discover", None)
        if find is None:
            raise ConfigError("this version cannot discover agents: import their modules")
        find()
    started = await app.maybe_start()
    try:
        yield app
    finally:
        if started:
            async with asyncio.timeout(stop_timeout):
                await app.stop()


def faust_lifespan(app: App, **options: Any) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """Return a `lifespan` for Starlette, FastAPI and their like.

    Args:
        options: of `faust_app_running`.
    """

    @asynccontextmanager
    async def lifespan(_asgi_app: Any = None) -> AsyncIterator[None]:
        async with faust_app_running(app, **options):
            yield  # nothing: what is yielded would become the state of requests

    return lifespan


class FaustLifespanMiddleware:
    """Runs an application for the life of an ASGI application that has no lifespan of its own, such as Django's.

    Requests go through as they are.
    """

    def __init__(self, asgi_app: AsgiApp, faust_app: App, **options: Any) -> None:
        """Args:
        options: of `faust_app_running`.
        """
        self._asgi_app = asgi_app
        self._faust_app = faust_app
        self._options = options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._asgi_app(scope, receive, send)
            return
        step = "startup"
        try:
            await receive()
            async with faust_app_running(self._faust_app, **self._options):
                await send({"type": "lifespan.startup.complete"})
                step = "shutdown"
                await receive()
        except Exception as exc:
            log.exception("the application cannot go through its %s", step)
            await send({"type": f"lifespan.{step}.failed", "message": str(exc)})
        else:
            await send({"type": "lifespan.shutdown.complete"})


class AsgiService(Service):
    """Serves an ASGI application by uvicorn while the worker runs."""

    def __init__(self, asgi_app: AsgiApp, *, host: str, port: int, **uvicorn_options: Any) -> None:
        super().__init__()
        self.asgi_app = asgi_app
        self.host = host
        self.port = port
        self._options = uvicorn_options
        self._server: Any = None
        self._serving: asyncio.Task[Any] | None = None

    @property
    def label(self) -> str:
        return f"AsgiService: http://{self.host}:{self.port}"

    async def on_start(self) -> None:
        try:
            import uvicorn  # noqa: PLC0415  an application that serves nothing needs none
        except ImportError as exc:
            raise PluginMissing("serve_asgi needs uvicorn: pip install 'faust-stack[asgi]'") from exc

        class Server(uvicorn.Server):
            """Signals are the worker's business."""

            @contextlib.contextmanager
            def capture_signals(self) -> Iterator[None]:
                yield

        options = {"log_config": None, "timeout_graceful_shutdown": LAST_ANSWERS_S, **self._options}
        self._server = Server(uvicorn.Config(self.asgi_app, host=self.host, port=self.port, **options))
        self._serving = self.add_future(self._serve())
        while not self._server.started and not self._serving.done():  # noqa: ASYNC110  it has no event for it
            await asyncio.sleep(0.01)

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit as exc:  # what uvicorn does where the port is taken
            raise ConfigError(f"serve_asgi cannot listen at {self.host}:{self.port}: its log says why") from exc

    async def on_stop(self) -> None:
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await asyncio.wait([self._serving], timeout=LAST_ANSWERS_S + 1)


def serve_asgi(
    app: App, asgi_app: AsgiApp, *, host: str | None = None, port: int = 8000, **uvicorn_options: Any
) -> AsgiService:
    """Have the worker serve an ASGI application, once its tables are restored.  Its own pages stay at `web_port`.

    Args:
        host: where to listen; as the setting `web_bind` where None: this machine only.
        uvicorn_options: of `uvicorn.Config`.
    """
    service = AsgiService(asgi_app, host=host or app.conf.web_bind, port=port, **uvicorn_options)
    app.service(service)
    return service
