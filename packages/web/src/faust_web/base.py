"""Requests and responses, with the names that pages use."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Any, cast
from urllib.parse import parse_qsl, quote

from starlette.requests import Request as StarletteRequest
from starlette.responses import Response as StarletteResponse

from faust_web.exceptions import ParseError, UnsupportedMediaType, ValidationError
from faust_web.parameters import body_of

__all__ = ["MultiDict", "NotJson", "Request", "Response"]


class NotJson(ValidationError, ValueError):
    """400: the body is no JSON; also a ValueError, as JSON's own error is."""


class MultiDict(Mapping[str, str]):
    """Names with one or more values each; looking one up returns its first."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        for known, value in self._pairs:
            if known == name:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        return len(dict(self._pairs))

    def getall(self, name: str, default: Any = None) -> list[str]:
        """Return all values of a name.

        Raises:
            KeyError: there is none, and no default.
        """
        found = [value for known, value in self._pairs if known == name]
        if found:
            return found
        if default is None:
            raise KeyError(name)
        return cast("list[str]", default)

    def __repr__(self) -> str:
        return f"<MultiDict: {self._pairs}>"


class Request(StarletteRequest):
    """What was asked: Starlette's request, with the original's names beside."""

    _read: bytes | None = None

    @property
    def match_info(self) -> Mapping[str, str]:
        """The named parts of the path."""
        return cast("Mapping[str, str]", self.scope.get("path_params", {}))

    @property
    def query(self) -> MultiDict:
        """The parameters behind the question mark."""
        return MultiDict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def query_string(self) -> str:
        return cast("bytes", self.scope.get("query_string", b"")).decode("latin-1")

    @property
    def path(self) -> str:
        """The path, decoded, below where the application is mounted."""
        path: str = self.scope["path"]
        root: str = self.scope.get("root_path", "")
        return path[len(root) :] or "/" if root and path.startswith(root) else path

    @property
    def raw_path(self) -> bytes:
        """The same as it was sent, percent-encoded."""
        return below_root(self.scope)

    @property
    def rel_url(self) -> str:
        query = f"?{self.query_string}" if self.query_string else ""
        return self.raw_path.decode("latin-1") + query

    path_qs = rel_url

    @property
    def host(self) -> str:
        return self.headers.get("host", "")

    @property
    def scheme(self) -> str:
        return cast("str", self.scope.get("scheme", "http"))

    @property
    def remote(self) -> str | None:
        """The address of the client; None where it has none."""
        return None if self.client is None else self.client.host

    @property
    def content_type(self) -> str:
        return _content_type(self.headers.get("content-type")).get_content_type()

    @property
    def charset(self) -> str | None:
        return _content_type(self.headers.get("content-type")).get_content_charset()

    @property
    def content_length(self) -> int | None:
        length = self.headers.get("content-length", "")
        return int(length) if length.isascii() and length.isdigit() else None

    @property
    def body_exists(self) -> bool:
        return bool(self.content_length) or "transfer-encoding" in self.headers

    @property
    def can_read_body(self) -> bool:
        return self._read is None and self.body_exists

    @property
    def keep_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"

    async def read(self) -> bytes:
        """Return the body.

        Raises:
            HTTPException: 413, it is too large; 408, it does not come in time.
        """
        if self._read is None:
            self._read = await body_of(self)
        return self._read

    async def body(self) -> bytes:
        return await self.read()

    async def text(self) -> str:
        """Return the body as text.

        Raises:
            ParseError: it is none in its charset.
        """
        charset = self.charset or "utf-8"
        try:
            return (await self.read()).decode(charset)
        except (UnicodeDecodeError, LookupError) as exc:
            raise ParseError(f"the body is no text in {charset[:50]}") from exc

    async def json(self, *, loads: Any = json.loads) -> Any:
        """Return what the body says as JSON.

        Raises:
            ValidationError: it is none.
        """
        try:
            return loads(await self.text())
        except (ValueError, RecursionError) as exc:
            raise NotJson(f"the body is no JSON: {exc}") from exc

    async def post(self) -> MultiDict:
        """Return the fields of a form, sent as `application/x-www-form-urlencoded`.

        Raises:
            UnsupportedMediaType: it is sent as something else.
            ParseError: it cannot be read.
        """
        if self.content_type != "application/x-www-form-urlencoded":
            raise UnsupportedMediaType(f"a form is application/x-www-form-urlencoded, not {self.content_type}")
        try:
            return MultiDict(parse_qsl(await self.text(), keep_blank_values=True, max_num_fields=1000))
        except ValueError as exc:
            raise ParseError(f"the form cannot be read: {exc}") from exc


def below_root(scope: Mapping[str, Any]) -> bytes:
    """Return the path of a request as it was sent, below where the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    raw: bytes = (scope.get("raw_path") or quote(path).encode()).partition(b"?")[0]
    if root and path.startswith(root):
        prefix = quote(root).encode()
        raw = raw[len(prefix) :] if raw.startswith(prefix) else quote(path[len(root) :]).encode()
    return raw or b"/"


class Response(StarletteResponse):
    """What is answered: Starlette's response, with the original's names beside."""

    def __init__(
        self,
        body: bytes | None = None,
        *,
        status: int = 200,
        text: str | None = None,
        content_type: str | None = None,
        charset: str | None = None,
        reason: str | None = None,  # noqa: ARG002  HTTP/2 and ASGI have none
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Args:
        body, text: one of them, or none.
        reason: accepted for existing applications.
        """
        if body is not None and text is not None:
            raise ValueError("a response has a body or a text, not both")
        kind = content_type or ("application/octet-stream" if text is None else "text/plain")
        if text is not None or charset:
            kind = f"{kind}; charset={charset or 'utf-8'}"
        content = (body or b"") if text is None else text.encode(charset or "utf-8")
        super().__init__(content, status, headers)
        if content and "content-type" not in self.headers:
            self.headers["content-type"] = kind

    @property
    def status(self) -> int:
        return self.status_code

    @status.setter
    def status(self, status: int) -> None:
        self.status_code = status

    @property
    def text(self) -> str:
        return bytes(self.body).decode(self.charset or "utf-8")

    @property
    def content_type(self) -> str:
        return _content_type(self.headers.get("content-type")).get_content_type()

    @property
    def content_length(self) -> int | None:
        return len(self.body)

    @property
    def body_length(self) -> int:
        return len(self.body)

    chunked = False
    compression = False
    keep_alive: bool | None = None


def _content_type(header: str | None) -> Message:
    message = Message()
    message["content-type"] = header or "application/octet-stream"
    return message
