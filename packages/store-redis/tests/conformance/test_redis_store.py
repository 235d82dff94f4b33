"""Redis keeps every rule."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterator

import pytest
import redis

from faust_conformance.capabilities import StoreCapability
from faust_conformance.store import StoreConformance
from faust_core.protocols.store import StoreContext
from faust_store_redis import RedisBackend, create


@pytest.mark.redis
class TestRedis(StoreConformance):
    capabilities = frozenset(
        {
            StoreCapability.PERSISTENT,
            StoreCapability.FENCING,
            StoreCapability.NOTED,
            StoreCapability.STORED_OFFSETS,
            StoreCapability.MEASURED,
            StoreCapability.DETECTS_DAMAGE,
        }
    )
    scan_keys = 100_000  # a million takes a minute; `nox -s conformance` runs it

    @pytest.fixture
    def app_id(self, redis_url: str) -> Iterator[str]:
        app_id = f"conformance-{uuid.uuid4().hex}"
        yield app_id
        with redis.Redis.from_url(redis_url) as client:
            for key in client.scan_iter(f"faust:*{app_id}*", count=1000):
                client.unlink(key)

    @pytest.fixture
    def make_backend(self, redis_url: str, app_id: str) -> Callable[[], RedisBackend]:
        return functools.partial(create, redis_url, StoreContext(app_id))

    @pytest.fixture
    def damage(self, redis_url: str, app_id: str) -> Callable[[str, int], None]:
        def damage(table: str, partition: int) -> None:
            with redis.Redis.from_url(redis_url) as client:
                client.hdel(f"faust:{{{app_id}:{table}:{partition}}}", "0007")

        return damage
