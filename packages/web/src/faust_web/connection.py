"""One HTTP/1.1 connection to another worker: a request, its answer, the next request."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import SplitResult

import h11

from faust_core.errors import PeerUnreachable, QueryError
from faust_core.protocols.web import ForwardedAnswer, ForwardedRequest

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
            raise PeerUnreachable(f"cannot connect to {url.netloc}: {exc.strerror or exc}", sent=False) from exc
        return cls(reader, writer, url)

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Send JSON; return the answer's status and body.  Raises as `send`."""
        shown = [(name.encode(), value.encode()) for name, value in headers.items()]
        shown.append((b"Content-Type", b"application/json"))
        answer = await self.send(ForwardedRequest("POST", path, shown, body))
        return answer.status, answer.body

    async def send(self, asked: ForwardedRequest) -> ForwardedAnswer:
        """Send a request to this host; return the answer.

        Raises:
            StaleConnection: it was used before, and closed in between.
            PeerUnreachable: it broke, or the answer is no HTTP, or too large.
            QueryError: the request is no HTTP.
        """
        self.reusable = False
        body = asked.body
        host = self._url.netloc.rpartition("@")[2].encode()
        length = [] if asked.method in {"GET", "HEAD"} and not body else [(b"Content-Length", b"%d" % len(body))]
        try:
            request = h11.Request(
                method=asked.method, target=asked.target, headers=[(b"Host", host), *length, *asked.headers]
            )
            data = self._http.send(request) or b""
            self._writer.write(data + (self._http.send(h11.Data(data=body)) or b""))
            self._http.send(h11.EndOfMessage())
            await self._writer.drain()
            answer = await self._receive()
        except h11.LocalProtocolError as exc:
            raise QueryError(f"the request cannot be handed on: {exc}", code="bad_request") from exc
        except (OSError, h11.RemoteProtocolError, EOFError) as exc:
            if self.used and not isinstance(exc, h11.RemoteProtocolError):
                raise StaleConnection from exc
            raise PeerUnreachable(f"the connection broke: {str(exc) or type(exc).__name__}") from exc
        self.used += 1
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self.reusable = True
        return answer

    async def _receive(self) -> ForwardedAnswer:
        status = 0
        headers: Sequence[tuple[bytes, bytes]] = ()
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = await self._reader.read(READ_BYTES)
                if not data and not status:
                    raise EOFError("closed without an answer")
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                status, headers = event.status_code, [(bytes(name), bytes(value)) for name, value in event.headers]
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_ANSWER_BYTES:
                    raise PeerUnreachable(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return ForwardedAnswer(status, headers, bytes(body))
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError("closed in the middle of an answer")

    def close(self) -> None:
        """Close it at once."""
        self.reusable = False
        self._writer.close()
