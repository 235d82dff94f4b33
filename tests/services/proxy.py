"""A TCP proxy that breaks the network between a client and a service on demand."""

import asyncio
import socket
import threading
import time
from collections.abc import Coroutine
from typing import Any, Self

from tests.services.ports import free_port

_CHUNK_BYTES = 64 * 1024
_CHUNKS_IN_FLIGHT = 64  # per direction and connection: a stalled link holds 4 MiB, then the sender waits


class TcpProxy:
    """Forwards connections to `target`, through an event loop in a thread of its own.

    Any thread may call any method, also from inside an event loop: none takes more than a moment.  A change
    holds for connections that are open and for later ones, until the next change.  Listens as soon as it is made;
    `address` never changes.
    """

    def __init__(self, target: str | None = None) -> None:
        """Listen on a free port.

        Args:
            target: `host:port` to forward to; connections are closed at once while there is none.
        """
        self.target = target
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._delay_s = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"tcp-proxy-{self.port}", daemon=True)
        self._thread.start()
        self._do(self._listen())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._connections)

    def cut(self) -> None:
        """Reset every connection and refuse new ones, as when the service's machine has no such service."""
        self._do(self._cut())

    def drop_connections(self) -> None:
        """Reset every connection once; new ones are forwarded."""
        self._do(self._reset())

    def black_hole(self) -> None:
        """Keep connections open, accept new ones, and pass nothing on, as when the network loses every packet.

        What was sent meanwhile arrives after `heal()`, as TCP would resend it.
        """
        self._do(self._set_flowing(False))

    def delay(self, seconds: float) -> None:
        """Pass everything on this much later, in each direction; the bandwidth stays."""
        self._delay_s = seconds

    def heal(self) -> None:
        """Undo `cut()`, `black_hole()` and `delay()`."""
        self._delay_s = 0.0
        self._do(self._set_flowing(True))
        self._do(self._listen())

    def close(self) -> None:
        """Reset every connection, stop listening, end the thread.  May be called again."""
        if self._loop.is_closed():
            return
        self._do(self._cut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(10.0)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _reset(self) -> None:
        await asyncio.sleep(0)  # a connection accepted just now joins the set
        ended = list(self._connections)
        for connection in ended:
            connection.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    async def _set_flowing(self, flowing: bool) -> None:
        if flowing:
            self._flowing.set()
        else:
            self._flowing.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._forward(reader, writer)
        except OSError:
            pass  # the target refuses
        finally:
            _reset_connection(writer)
            self._connections.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.target is None:
            return
        host, _, port = self.target.rpartition(":")
        there, to_there = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pump(reader, to_there))
                directions.create_task(self._pump(there, writer))
        except* OSError:
            pass  # either side went away
        finally:
            _reset_connection(to_there)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one direction on until its end, keeping order while the delay changes."""
        in_flight: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_CHUNKS_IN_FLIGHT)
        async with asyncio.TaskGroup() as both:
            both.create_task(self._deliver(in_flight, writer))
            while chunk := await reader.read(_CHUNK_BYTES):
                await in_flight.put((time.monotonic(), chunk))
            await in_flight.put((time.monotonic(), b""))

    async def _deliver(self, in_flight: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            sent, chunk = await in_flight.get()
            await asyncio.sleep(max(0.0, sent + self._delay_s - time.monotonic()) if self._delay_s else 0.0)
            await self._flowing.wait()
            if not chunk:
                if writer.can_write_eof():
                    writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()


def _reset_connection(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset where there is still something to close."""
    peer = writer.get_extra_info("socket")
    if peer is not None and not writer.is_closing():
        linger_for_no_time = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # struct linger: on, zero seconds
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
    writer.transport.abort()
