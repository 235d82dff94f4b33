"""What stands in the query string and in the body of a request."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import math
from typing import Any

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request

from faust_core.errors import NoSuchTable, QueryError
from faust_core.protocols.queries import QueryOptions

__all__ = ["MAX_BODY_BYTES", "Parameters", "body_of", "key_in", "read_body_keys", "table_in"]

MAX_KEY_CHARACTERS = 16 * 1024
MAX_TABLE_CHARACTERS = 255

MAX_BODY_BYTES = 4 * 1024 * 1024
#: A client that sends its body more slowly holds a place that others could have.
BODY_TIMEOUT_S = 10.0
#: Nobody outside makes a worker try for longer.
MAX_TIMEOUT_S = 60.0

TRUE, FALSE = frozenset({"", "1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


class Parameters:
    """The parameters of a request; `done` says that no other may be there.

    All methods raise QueryError for a value that a parameter cannot have.
    """

    def __init__(self, given: QueryParams) -> None:
        self._given = given
        self._known: set[str] = set()

    def all(self, name: str) -> list[str]:
        self._known.add(name)
        return self._given.getlist(name)

    def text(self, name: str) -> str | None:
        values = self.all(name)
        if len(values) > 1:
            raise QueryError(f"?{name}= is given {len(values)} times", code="bad_parameter")
        return values[0] if values else None

    def flag(self, name: str) -> bool:
        return bool(self.choice(name))

    def choice(self, name: str) -> bool | None:
        """Return True or False; None where it is not given."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in TRUE | FALSE:
            raise QueryError(f"?{name}={value} is neither 1 nor 0", code="bad_parameter")
        return value.lower() in TRUE

    def number(self, name: str, default: int) -> int:
        value = self.text(name)
        return default if value is None else self._whole(name, value)

    def maybe_number(self, name: str) -> int | None:
        value = self.text(name)
        return None if value is None else self._whole(name, value)

    @staticmethod
    def _whole(name: str, value: str) -> int:
        if not value.isascii() or not value.isdigit() or len(value) > 9:
            raise QueryError(f"?{name}={value} is no whole number", code="bad_parameter")
        return int(value)

    def seconds(self, name: str, most: float) -> float | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds <= most:
            raise QueryError(f"?{name}={value} is not above 0 and up to {most:g} seconds", code="bad_parameter")
        return seconds

    def moment(self, name: str) -> float | None:
        """Return epoch seconds, given as such or as ISO 8601 with its offset from UTC; without one it is UTC."""
        value = self.text(name)
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            try:
                # In a query string a plus sign stands for a space.
                moment = dt.datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
                seconds = (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp()
            except (ValueError, OverflowError):
                seconds = math.nan
        if not math.isfinite(seconds):
            raise QueryError(f"?{name}={value} is no time: give epoch seconds or ISO 8601", code="bad_time")
        return seconds

    def options(self) -> QueryOptions:
        """Return what every question takes: stale, committed, partition, timeout."""
        return QueryOptions(
            stale=self.flag("stale"),
            committed=self.choice("committed"),
            partition=self.maybe_number("partition"),
            timeout_s=self.seconds("timeout", MAX_TIMEOUT_S),
        )

    def done(self) -> None:
        """Raises:
        QueryError: there is a parameter that nothing here looks at.
        """
        unknown = sorted(set(self._given) - self._known)
        if unknown:
            known = ", ".join(sorted(self._known))
            raise QueryError(f"there is no parameter {unknown[0]!r} here; there are {known}", code="bad_parameter")


async def body_of(request: Request) -> bytes:
    """Return a request's body.

    Raises:
        HTTPException: 413 where it is larger than `MAX_BODY_BYTES`, 408 where it does not come in time.
    """
    too_large = HTTPException(413, f"a body has {MAX_BODY_BYTES} bytes at most")
    if request.headers.get("content-length", "0").isdigit() and int(request.headers.get("content-length", "0")) > (
        MAX_BODY_BYTES
    ):
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {BODY_TIMEOUT_S:g} seconds") from None
    return bytes(body)


def read_body_keys(body: bytes) -> list[str]:
    """Return the keys in `{"keys": [...]}`, each as JSON.

    Raises:
        QueryError: the body is something else.
    """
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise QueryError(f"the body is no JSON: {exc}", code="bad_body") from exc
    keys = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(keys, list) or len(content) != 1:
        raise QueryError('the body is {"keys": [...]}', code="bad_body")
    return [json.dumps(key) for key in keys]


def table_in(request: Request) -> str:
    name: str = request.path_params["table"]
    if len(name) > MAX_TABLE_CHARACTERS:
        raise NoSuchTable(f"no table has a name of {len(name)} characters")
    return name


def key_in(request: Request) -> str:
    """Return the key in the path; a slash at the very end is none of it, unless it is written `%2F`."""
    key: str = request.path_params["key"]
    raw: bytes = request.scope.get("raw_path") or b""
    if raw.partition(b"?")[0].endswith(b"/") or (not raw and key.endswith("/")):
        key = key[:-1]
    if len(key) > MAX_KEY_CHARACTERS:
        raise HTTPException(414, f"a key has {MAX_KEY_CHARACTERS} characters at most")
    if not key:
        raise HTTPException(404, "an empty key is asked for by ?key=")
    return key
