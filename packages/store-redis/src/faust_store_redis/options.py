"""What may be set on the Redis store, from the URL's query and the application's store options."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from faust_core.errors import ConfigError

__all__ = ["RedisCacheOptions", "RedisOptions"]


@dataclass(frozen=True, slots=True)
class RedisOptions:
    """Options of one backend.

    Attributes:
        url: where Redis is, with what redis-py itself understands in the query.
        retry_timeout_s: how long a call waits for a Redis that is away before it fails.
        socket_timeout_s: how long one attempt waits for an answer.
        max_connections: of the pool; one is in use for every thread that calls.
    """

    url: str
    retry_timeout_s: float = 60.0
    socket_timeout_s: float = 10.0
    max_connections: int = 64

    @classmethod
    def parse(cls, url: str, options: Mapping[str, Any]) -> RedisOptions:
        """Take our options out of the query of `url`; `options` win over them.

        Raises:
            ConfigError: an option is unknown or has a wrong value.
        """
        theirs, values = _split(cls, "store", url, options)
        return cls(theirs, **values)


@dataclass(frozen=True, slots=True)
class RedisCacheOptions:
    """Options of one cache.

    Attributes:
        url: where Redis is, with what redis-py itself understands in the query.
        socket_timeout_s: how long to wait for a connection, and for an answer.  Pages are made anew after that.
        max_connections: of the pool; more calls wait for one.
    """

    url: str
    socket_timeout_s: float = 1.0
    max_connections: int = 32

    @classmethod
    def parse(cls, url: str, options: Mapping[str, Any]) -> RedisCacheOptions:
        """Likewise.

        Raises:
            ConfigError: an option is unknown or has a wrong value.
        """
        theirs, values = _split(cls, "cache", url, options)
        return cls(theirs, **values)


def _split(kind: Any, what: str, url: str, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a URL without our options, and these, read."""
    types = {field.name: float if field.type == "float" else int for field in fields(kind) if field.name != "url"}
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    theirs = urlencode([(name, value) for name, value in query if name not in types])
    ours: dict[str, Any] = {name: value for name, value in query if name in types}
    for name in options.keys() - types.keys():
        closest = difflib.get_close_matches(name, types, 1) or [", ".join(types)]
        raise ConfigError(f"the Redis {what} has no option {name!r}; did you mean {closest[0]}?")
    values: dict[str, Any] = {}
    for name, value in {**ours, **options}.items():
        try:
            values[name] = types[name](value)
        except (TypeError, ValueError) as exc:
            raise ConfigError(f"Redis {what} option {name}={value!r}: must be a number") from exc
        if not 0 < values[name] < float("inf"):
            raise ConfigError(f"Redis {what} option {name}={value!r}: must be above zero")
    return urlunsplit(parts._replace(query=theirs)), values
