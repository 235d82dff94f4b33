"""Faust with Starlette, FastAPI and others; and the module names that applications import."""

import asyncio
import importlib
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import faust
from faust.contrib.asgi import FaustLifespanMiddleware, faust_app_running, faust_lifespan, serve_asgi


def application(**options: Any) -> tuple[faust.App, Any, Any]:
    app = faust.App("hosted", broker="memory://", **options)
    numbers = app.topic("numbers", value_type=int, partitions=1)
    seen: asyncio.Queue[int] = asyncio.Queue()

    @app.agent(numbers)
    async def see(stream: faust.Stream[int]) -> None:
        async for number in stream:
            seen.put_nowait(number)

    return app, numbers, seen


@asynccontextmanager
async def lifespan_of(asgi: Any) -> AsyncIterator[list[Any]]:
    """Do what an ASGI server does at its start and end; yields what the application said."""
    said: list[Any] = []
    to_app: asyncio.Queue[Any] = asyncio.Queue()
    spoke = asyncio.Event()

    async def send(message: Any) -> None:
        said.append(message)
        spoke.set()

    running = asyncio.create_task(asgi({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, to_app.get, send))
    to_app.put_nowait({"type": "lifespan.startup"})
    await spoke.wait()
    yield said
    to_app.put_nowait({"type": "lifespan.shutdown"})
    await running


async def post(asgi: Any, path: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=asgi), base_url="http://test") as client:
        return await client.post(path, **options)


async def test_fastapi_starts_and_stops_the_application_with_itself():
    app, numbers, seen = application()
    api = FastAPI(lifespan=faust_lifespan(app))

    @api.post("/numbers/{number}")
    async def put(number: int) -> dict[str, bool]:
        await numbers.send(value=number)
        return {"ok": True}

    async with lifespan_of(api) as said:
        assert said[-1]["type"] == "lifespan.startup.complete"
        assert app.started
        assert (await post(api, "/numbers/7")).json() == {"ok": True}
        assert await seen.get() == 7
    assert said[-1]["type"] == "lifespan.shutdown.complete"
    assert not app.started


async def test_starlette_does_likewise():
    app, numbers, seen = application()

    async def put(request: Request) -> JSONResponse:
        await numbers.send(value=int(request.query_params["n"]))
        return JSONResponse({"ok": True})

    web = Starlette(routes=[Route("/numbers", put, methods=["POST"])], lifespan=faust_lifespan(app))
    async with lifespan_of(web):
        await post(web, "/numbers?n=3")
        assert await seen.get() == 3
    assert not app.started


async def plain(scope: Any, _receive: Any, send: Any) -> None:
    """An ASGI application that knows no lifespan."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_an_application_without_a_lifespan_gets_one():
    app, _, _ = application()
    wrapped = FaustLifespanMiddleware(plain, app)
    async with lifespan_of(wrapped) as said:
        assert said == [{"type": "lifespan.startup.complete"}]
        assert app.started
        assert (await post(wrapped, "/")).status_code == 204
    assert said[-1] == {"type": "lifespan.shutdown.complete"}
    assert not app.started


async def test_a_start_that_fails_is_told_to_the_server(caplog):
    app = faust.App("hosted", broker="nowhere://broker")
    said: list[Any] = []
    inbox: asyncio.Queue[Any] = asyncio.Queue()
    inbox.put_nowait({"type": "lifespan.startup"})

    async def send(message: Any) -> None:
        said.append(message)

    with caplog.at_level(logging.CRITICAL):
        await FaustLifespanMiddleware(plain, app)({"type": "lifespan"}, inbox.get, send)
    assert said[0]["type"] == "lifespan.startup.failed"
    assert "nowhere" in said[0]["message"]


async def test_an_application_that_runs_already_is_left_running():
    app, _, _ = application()
    async with app:
        async with faust_app_running(app) as same:
            assert same is app
        assert app.started


async def test_stopping_may_be_bounded():
    app, _, _ = application()
    hangs = asyncio.Event()

    async def hang() -> None:
        await hangs.wait()

    app.on_stop = hang  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        async with faust_app_running(app, stop_timeout=0.01):
            pass
    hangs.set()
    await app.stop()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def test_a_worker_serves_an_asgi_application_beside_itself():
    app, numbers, seen = application()
    api = FastAPI()

    @api.post("/numbers/{number}")
    async def put(number: int) -> dict[str, bool]:
        await numbers.send(value=number)
        return {"ok": True}

    service = serve_asgi(app, api, port=free_port())
    assert service.host == "127.0.0.1"
    async with app, httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}") as client:
        while True:
            try:
                response = await client.post("/numbers/5")
            except httpx.ConnectError:
                await asyncio.sleep(0.01)
            else:
                break
        assert response.json() == {"ok": True}
        assert await seen.get() == 5
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{service.port}/")


MODULES = {
    "faust.sensors": ["Monitor", "Sensor", "SensorDelegate", "TableState", "performance_metrics"],
    "faust.sensors.base": ["Sensor", "SensorDelegate"],
    "faust.sensors.monitor": ["Monitor", "TableState"],
    "faust.sensors.statsd": ["StatsdMonitor"],
    "faust.sensors.datadog": ["DatadogMonitor"],
    "faust.sensors.prometheus": ["setup_prometheus_sensors"],
    "faust.sensors.otel": ["OpenTelemetryMonitor"],
    "faust.sensors.metrics": ["performance_metrics"],
    "faust.sensors.distributed_tracing": ["TracingSensor"],
    "faust.contrib.asgi": ["FaustLifespanMiddleware", "faust_app_running", "faust_lifespan", "serve_asgi"],
    "faust.contrib.fastapi": ["faust_app_running", "faust_lifespan", "serve_asgi"],
    "faust.contrib.opentelemetry": ["OpenTelemetrySensor", "setup_opentelemetry"],
    "faust.contrib.sentry": ["handler_from_dsn", "setup"],
}


@pytest.mark.parametrize("module", MODULES)
def test_modules_have_the_names_that_applications_import(module):
    found = importlib.import_module(module)
    assert set(MODULES[module]) <= set(found.__all__)
    assert all(hasattr(found, name) for name in found.__all__)
