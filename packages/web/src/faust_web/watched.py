"""The metrics over HTTP, and who is told of requests and answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faust_core.protocols.queries import MetricsPage

__all__ = ["Watched", "metrics_page"]


class Watched:
    """An ASGI application whose requests over HTTP sensors are told of; what the guard refuses never comes here."""

    def __init__(self, inner: ASGIApp, metrics: MetricsPage) -> None:
        self._inner = inner
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return

        async def answer() -> int | None:
            status: int | None = None

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            await self._inner(scope, receive, noting)
            return status

        await self._metrics.watched(scope["method"], scope["path"], answer)


def metrics_page(metrics: MetricsPage) -> Callable[[Request], Awaitable[Response]]:
    """Return the page that Prometheus reads."""

    async def page(_request: Request) -> Response:
        content_type, document = await metrics.document()
        return Response(document, 200, {"Content-Type": content_type, "Cache-Control": "no-store"})

    return page
