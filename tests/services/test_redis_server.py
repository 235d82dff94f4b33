"""The Redis server that tests may break."""

import pytest
import redis

from tests.services.factories import MakeRedis


def test_a_persistent_server_keeps_what_it_confirmed_when_killed(own_redis: MakeRedis) -> None:
    server = own_redis(persistent=True)
    with redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        server.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        server.start()
        assert client.get("key") == b"value"


def test_a_paused_server_answers_after_it_is_resumed(own_redis: MakeRedis) -> None:
    server = own_redis()
    with redis.Redis.from_url(server.url, socket_timeout=0.2, retry=None) as client:
        client.set("key", "value")
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.get("key")
        server.resume()
        client.connection_pool.disconnect()
        assert client.get("key") == b"value"


def test_the_shared_server_answers(redis_url: str, unique: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(unique, "value", ex=10)
        assert client.get(unique) == b"value"
