"""A cache in Redis keeps every rule: on one server, over TLS, and in a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from faust_conformance.cache import CacheCapability, CacheConformance, MakeCache
from faust_core.protocols.cache import CacheContext
from faust_store_redis import create_cache
from tests.services.certificates import Authority
from tests.services.ports import free_port, wait_until_ready

#: Machines that test are busy.
PATIENT = {"socket_timeout_s": 20}


@pytest.mark.redis
class TestRedisCache(CacheConformance):
    capabilities = frozenset({CacheCapability.SHARED})

    @pytest.fixture
    def make_cache(self, redis_url: str, app_id: str) -> Iterator[MakeCache]:
        yield lambda name: create_cache(redis_url, CacheContext(name, options=PATIENT))
        with redis.Redis.from_url(redis_url) as client:
            for key in client.scan_iter(f"faust:{app_id}*", count=1000):
                client.unlink(key)


@pytest.fixture(scope="class")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster of one node that has all slots."""
    from tests.services.redis import RedisServer

    settings = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with RedisServer(tmp_path_factory.mktemp("cluster"), settings=settings) as server:
        with redis.Redis(port=server.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            assert wait_until_ready(lambda: "cluster_state:ok" in _info(client), alive=server.is_running, timeout_s=30)
        yield f"rediscluster://127.0.0.1:{server.port}"


def _info(client: Any) -> str:
    found = client.execute_command("CLUSTER", "INFO")
    return "cluster_state:" + found["cluster_state"] if isinstance(found, dict) else found.decode()


@pytest.mark.redis
@pytest.mark.timeout(60)
class TestRedisClusterCache(CacheConformance):
    capabilities = frozenset({CacheCapability.SHARED})

    @pytest.fixture
    def make_cache(self, cluster: str) -> MakeCache:
        return lambda name: create_cache(cluster, CacheContext(name, options=PATIENT))


@pytest.mark.redis
def test_tls_is_checked_against_the_authority_in_the_url(own_redis: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("redis", "127.0.0.1")
    port = free_port()
    own_redis(
        settings={
            "tls-port": str(port),
            "tls-cert-file": str(certificate),
            "tls-key-file": str(key),
            "tls-ca-cert-file": str(authority.file),
            "tls-auth-clients": "no",
        }
    )

    async def use() -> None:
        cache = create_cache(
            f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.file}", CacheContext("app", options=PATIENT)
        )
        await cache.set("a", b"1", 60)
        assert await cache.get("a") == b"1"
        await cache.aclose()

    asyncio.run(use())
