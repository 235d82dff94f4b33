"""`redis://`, `rediss://`, `rediscluster://` as a cache: entries with a time-out, shared by all workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from redis import exceptions
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from faust_core.errors import CacheUnavailable, ConfigError
from faust_core.protocols.cache import CacheBackend, CacheContext
from faust_store_redis.connection import Connection, without_password
from faust_store_redis.options import RedisCacheOptions, RedisOptions

__all__ = ["RedisCache", "create_cache"]

#: A cluster's client has an error of its own that is none of Redis.
FAILED = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError)


def create_cache(url: str, context: CacheContext, /) -> RedisCache:
    """Make the cache of `redis://…`, `rediss://…` (TLS) or `rediscluster://…`; connects when it is first used.

    Raises:
        ConfigError: the URL or an option is wrong.
    """
    options = RedisCacheOptions.parse(url, context.options)
    parts = urlsplit(options.url)
    cluster = parts.scheme == "rediscluster"
    if cluster:
        if parts.path not in {"", "/", "/0"}:
            raise ConfigError(f"{without_password(options.url)}: a cluster has database 0 only")
        options = RedisCacheOptions(
            urlunsplit(parts._replace(scheme="redis", path="")), options.socket_timeout_s, options.max_connections
        )
    Connection(RedisOptions(options.url)).close()  # says what is wrong with a URL; connects nowhere
    return RedisCache(options, without_password(url), context.app_id, cluster=cluster)


class RedisCache:
    """One attempt for each call, bounded by `socket_timeout_s`; only a connection that Redis has closed is replaced."""

    def __init__(self, options: RedisCacheOptions, shown: str, app_id: str, *, cluster: bool) -> None:
        self._options = options
        self._shown = shown
        self._prefix = f"faust:{quote(app_id, safe='')}:cache:"
        self._cluster = cluster
        self._free = asyncio.Semaphore(options.max_connections)
        self._client: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def get(self, key: str, /) -> bytes | None:
        value: bytes | None = await self._call(lambda client: client.get(self._key(key)))
        return value

    async def set(self, key: str, value: bytes, timeout: float | None = None) -> None:
        if timeout is not None and timeout <= 0:
            await self.delete(key)
            return
        expiry = None if timeout is None else max(1, round(timeout * 1000))
        await self._call(lambda client: client.set(self._key(key), value, px=expiry))

    async def delete(self, key: str, /) -> None:
        await self._call(lambda client: client.delete(self._key(key)))

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _key(self, key: str) -> bytes:
        return (self._prefix + key).encode(errors="surrogatepass")

    async def _call(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        client = self._connected()
        try:
            # A call to a cluster may be several: where the key is, and again where it has moved to.
            async with asyncio.timeout(2 * self._options.socket_timeout_s), self._free:
                return await work(client)
        except FAILED as exc:
            reason = str(exc) or "no answer in time"
            raise CacheUnavailable(f"cache {self._shown} failed: {reason}") from exc

    def _connected(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:  # connections belong to the loop that opened them
            self._client, self._loop = self._open(), loop
            self._free = asyncio.Semaphore(self._options.max_connections)
        return self._client

    def _open(self) -> Any:
        options = self._options
        common: dict[str, Any] = {
            "socket_timeout": options.socket_timeout_s,
            "socket_connect_timeout": options.socket_timeout_s,
            # More than are used at once: the client fails, instead of waiting, where there are none.
            "max_connections": 2 * options.max_connections,
            # Again at once, since an idle connection may have been closed by Redis.
            "retry": Retry(NoBackoff(), 1),
        }
        return (RedisCluster if self._cluster else Redis).from_url(options.url, **common)


if TYPE_CHECKING:
    _: type[CacheBackend] = RedisCache
