"""The metrics as HTTP shows them, and what sensors are told of requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from faust_core.sensors import Monitor, SensorDelegate, exposition, families
from faust_core.sensors.exposition import CONTENT_TYPE

__all__ = ["ServedMetrics", "WebRequest", "WebResponse"]

PATH = "/metrics"


@dataclass(frozen=True, slots=True)
class WebRequest:
    """A request, as sensors are told of it."""

    method: str
    path: str


@dataclass(frozen=True, slots=True)
class WebResponse:
    """An answer, as sensors are told of it."""

    status: int


class ServedMetrics:
    """Part of `ServedApp`."""

    def __init__(
        self,
        app: Any,
        app_id: Callable[[], str],
        monitor: Callable[[], Monitor],
        sensors: SensorDelegate,
        *,
        enabled: Callable[[], bool],
    ) -> None:
        """Args:
        enabled: whether metrics are served although `serve` was never called.
        """
        self._app = app
        self._app_id = app_id
        self._monitor = monitor
        self._sensors = sensors
        self._enabled = enabled
        self._path: str | None = None
        self._render: Callable[[], tuple[str, bytes]] = self._own

    @property
    def path(self) -> str | None:
        return self._path or (PATH if self._enabled() else None)

    def serve(self, path: str, render: Callable[[], tuple[str, bytes]]) -> None:
        """Serve at `path` what `render` returns: the content type, and the document."""
        self._path = path
        self._render = render

    async def document(self) -> tuple[str, bytes]:
        await self._monitor().refresh()
        return self._render()

    def _own(self) -> tuple[str, bytes]:
        text = exposition(families(self._monitor()), {"app": self._app_id()})
        return CONTENT_TYPE, text.encode()

    # -- requests

    async def watched(self, method: str, path: str, answer: Callable[[], Awaitable[int | None]]) -> None:
        """Have a request answered, and tell sensors.

        Args:
            answer: returns the status; None where the client has gone.
        """
        if not self._sensors.watches("on_web_request_start", "on_web_request_end"):
            await answer()
            return
        request = WebRequest(method, path)
        state = self._sensors.begin("on_web_request_start", self._app, request)
        status: int | None = 500
        try:
            status = await answer()
        finally:
            response = None if status is None else WebResponse(status)
            self._sensors.end("on_web_request_end", state, (self._app, request, response))
