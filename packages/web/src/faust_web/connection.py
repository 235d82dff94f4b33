"""One HTTP/1.1 connection to another worker: a request, its answer, the next request."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult

import h11

from faust_core.errors import PeerUnreachable

__all__ = ["Connection", "StaleConnection"]

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
READ_BYTES: Final = 64 * 1024


class StaleConnection(Exception):
    """The other side has closed an idle connection before it saw the request: another one will do."""


class Connection:
    """One request at a time.  After any error, and after being cancelled, it is to be closed.

    Attributes:
        used: requests that it has carried.
        reusable: whether another one may follow.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: SplitResult) -> None:
        self._reader = reader
        self._writer = writer
        self._url = url
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=READ_BYTES)
        self.used = 0
        self.reusable = False

    @classmethod
    async def open(cls, url: SplitResult, tls: ssl.SSLContext | None) -> Connection:
        """Raises:
        PeerUnreachable: nobody listens there, or the certificate is not trusted.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            reader, writer = await asyncio.open_connection(url.hostname, port, ssl=tls)
        except OSError as exc:
            raise PeerUnreachable(f"cannot connect to {url.netloc}: {exc.strerror or exc}") from exc
        return cls(reader, writer, url)

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Send a request; return the answer's status and body.

        Raises:
            StaleConnection: it was used before, and closed in between.
            PeerUnreachable: it broke, or the answer is no HTTP, or too large.
        """
        self.reusable = False
        try:
            request = h11.Request(
                method="POST",
                target=path,
                headers=[
                    ("Host", self._url.netloc),
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(body))),
                    *headers.items(),
                ],
            )
            data = self._http.send(request) or b""
            self._writer.write(data + (self._http.send(h11.Data(data=body)) or b""))
            self._http.send(h11.EndOfMessage())
            await self._writer.drain()
            status, answer = await self._receive()
        except (OSError, h11.RemoteProtocolError, EOFError) as exc:
            if self.used and not isinstance(exc, h11.RemoteProtocolError):
                raise StaleConnection from exc
            raise PeerUnreachable(f"the connection broke: {str(exc) or type(exc).__name__}") from exc
        self.used += 1
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self.reusable = True
        return status, answer

    async def _receive(self) -> tuple[int, bytes]:
        status = 0
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(READ_BYTES)
                if not data and not status:
                    raise EOFError("closed without an answer")
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_ANSWER_BYTES:
                    raise PeerUnreachable(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(body)
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError("closed in the middle of an answer")

    def close(self) -> None:
        """Close it at once."""
        self.reusable = False
        self._writer.close()
