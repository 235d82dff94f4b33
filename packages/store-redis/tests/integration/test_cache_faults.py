"""A cache whose Redis is away, slow, or refuses, says so soon, and works again when it is back."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from faust_core.errors import CacheUnavailable, ConfigError
from faust_core.protocols.cache import CacheContext
from faust_store_redis import create_cache

CONTEXT = CacheContext("app")


@pytest.mark.redis
async def test_a_redis_that_is_away_is_told_and_used_again_when_it_is_back(own_redis: Any) -> None:
    server = own_redis()
    cache = create_cache(f"{server.url}?socket_timeout_s=20", CONTEXT)
    await cache.set("a", b"1")
    server.kill()
    for call in (cache.get("a"), cache.set("a", b"1"), cache.delete("a")):
        with pytest.raises(CacheUnavailable, match=f"cache redis://127.0.0.1:{server.port}/0 failed"):
            await call
    server.start()
    assert await cache.get("a") is None
    await cache.set("a", b"2")
    assert await cache.get("a") == b"2"
    await cache.aclose()


@pytest.mark.redis
async def test_a_redis_that_says_nothing_costs_its_time_out(own_redis: Any) -> None:
    server = own_redis()
    cache = create_cache(f"{server.url}?socket_timeout_s=0.1", CONTEXT)
    server.pause()
    with pytest.raises(CacheUnavailable):
        await cache.get("a")
    server.resume()
    slow = create_cache(f"{server.url}?socket_timeout_s=20", CONTEXT)
    assert await slow.get("a") is None
    for each in (cache, slow):
        await each.aclose()


@pytest.mark.redis
async def test_a_redis_that_is_full_or_refuses_is_unavailable(own_redis: Any) -> None:
    full = own_redis(settings={"maxmemory": "1mb", "maxmemory-policy": "noeviction"})
    cache = create_cache(f"{full.url}?socket_timeout_s=20", CONTEXT)
    with pytest.raises(CacheUnavailable, match="memory"):
        await cache.set("a", b"x" * 2_000_000)
    await cache.aclose()
    locked = own_redis()
    with redis.Redis.from_url(locked.url) as client:
        client.config_set("requirepass", "s3cret")
    for url in (locked.url, f"redis://:wr0ng@127.0.0.1:{locked.port}/0"):
        cache = create_cache(url, CONTEXT)
        with pytest.raises(CacheUnavailable) as told:
            await cache.get("a")
        assert "wr0ng" not in str(told.value)
        await cache.aclose()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://localhost:port/0", "redis://localhost:port/0"),
        ("redis://localhost/0?socket_timeout_s=soon", "socket_timeout_s='soon': must be a number"),
        ("redis://localhost/0?max_connections=0", "above zero"),
        ("redis://localhost/0?colour=red", "colour"),
        ("rediscluster://localhost/3", "a cluster has database 0 only"),
    ],
)
def test_a_url_that_is_wrong_is_refused_before_anything_connects(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_cache(url, CONTEXT)


def test_no_password_is_ever_shown() -> None:
    with pytest.raises(ConfigError) as told:
        create_cache("redis://user:s3cret@localhost:port/0", CONTEXT)
    assert "s3cret" not in str(told.value)
