"""An application that does a little of everything."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from faust_core.app import App


class Server:
    """A UDP socket that receives what clients send."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.lines: list[str] = []

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    async def until(self, *wanted: str) -> list[str]:
        """Return all lines once each of `wanted` begins one of them."""
        async with asyncio.timeout(15):
            while not all(any(line.startswith(one) for line in self.lines) for one in wanted):
                try:
                    self.lines += self._socket.recv(65_536).decode().splitlines()
                except BlockingIOError:
                    await asyncio.sleep(0.005)
        return self.lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def application(app_id: str = "watched", **options: Any) -> tuple[App, Any]:
    app = App(app_id, broker="memory://", **options)
    numbers = app.topic("numbers", value_type=int)
    out = app.topic("out", value_type=int)
    counts = app.Table("counts", default=int)

    @app.agent(numbers, name="count")
    async def count(stream: Any) -> None:
        async for number in stream:
            if number < 0:
                raise ValueError("negative")
            counts["sum"] += number
            await out.send(value=number)

    return app, numbers


@pytest.fixture
def make_application() -> Any:
    return application
