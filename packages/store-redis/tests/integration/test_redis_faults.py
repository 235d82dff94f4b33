"""Redis away, slow, full, restarted or meddled with: the store waits, or says what is wrong, and never lies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import redis

from faust_core.errors import StoreCorrupt, StoreError, StoreLocked
from faust_core.protocols.store import StoreContext
from faust_store_redis import RedisBackend, create

pytestmark = pytest.mark.redis


def connect(url: str, **options: float) -> RedisBackend:
    return create(url, StoreContext("app-v1", options=options))


@contextmanager
def after(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    """Do `action` on another thread in so many seconds; it is done when this ends."""
    timer = threading.Timer(seconds, action)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def test_a_call_waits_for_a_redis_that_is_restarted(own_redis: Any) -> None:
    server = own_redis(persistent=True)
    with closing(connect(server.url)) as backend, closing(backend.open("counts", 0)) as store:
        store.apply([(b"a", b"1")], changelog_offset=1)
        server.kill()
        with after(0.5, server.start):
            store.apply([(b"a", b"2")], changelog_offset=2)
        assert store.get(b"a") == b"2"
        server.kill()
        with after(0.5, server.start):
            assert list(store.scan()) == [(b"a", b"2")]
        assert store.changelog_offset == 2


def test_a_redis_that_stays_away_is_a_store_error_and_the_same_call_succeeds_later(own_redis: Any) -> None:
    server = own_redis(persistent=True)
    with (
        closing(connect(server.url, retry_timeout_s=0.3)) as backend,
        closing(backend.open("counts", 0)) as store,
    ):
        server.kill()
        with pytest.raises(StoreError, match=rf"table counts/0: redis://127.0.0.1:{server.port}/0 cannot be reached"):
            store.apply([(b"a", b"1")], changelog_offset=1)
        server.start()
        store.apply([(b"a", b"1")], changelog_offset=1)
        assert store.get(b"a") == b"1"


def test_a_write_whose_answer_was_lost_is_not_taken_for_damage(own_redis: Any) -> None:
    """Redis does not answer in time, so the caller is told that nothing was written; it was, a little later."""
    server = own_redis()
    with (
        closing(connect(server.url, retry_timeout_s=0.1, socket_timeout_s=0.2)) as backend,
        closing(backend.open("counts", 0)) as store,
    ):
        store.apply([(b"a", b"1")], changelog_offset=1)
        server.pause()
        with pytest.raises(StoreError, match="cannot be reached"):
            store.apply([(b"a", b"2")], changelog_offset=2)
        server.resume()
        time.sleep(0.3)
        assert store.get(b"a") in (b"1", b"2")
        store.apply([(b"a", b"2")], changelog_offset=2)
        store.apply([(b"b", b"3")], changelog_offset=3)
        assert list(store.scan()) == [(b"a", b"2"), (b"b", b"3")]


def test_a_slow_redis_is_waited_for(own_redis: Any) -> None:
    server = own_redis()
    with closing(connect(server.url, socket_timeout_s=0.2)) as backend, closing(backend.open("counts", 0)) as store:
        server.pause()
        with after(1.0, server.resume):
            store.apply([(b"a", b"1")], changelog_offset=1)
        assert store.get(b"a") == b"1"


def test_a_redis_that_lost_its_data_is_noticed_at_the_next_read(own_redis: Any) -> None:
    server = own_redis(persistent=False)
    with closing(connect(server.url)) as backend:
        store = backend.open("counts", 0)
        store.apply([(b"a", b"1")], changelog_offset=1)
        server.kill()
        server.start()
        for call in (
            lambda: store.get(b"a"),
            lambda: list(store.scan()),
            lambda: store.apply([(b"a", b"2")], changelog_offset=2),
        ):
            with pytest.raises(StoreCorrupt, match="expected changelog offset 1, found nothing"):
                call()
        store.close()
        with closing(backend.open("counts", 0)) as store:
            assert store.changelog_offset is None


def test_a_redis_that_went_back_in_time_is_noticed(own_redis: Any) -> None:
    server = own_redis()
    with closing(connect(server.url)) as backend, closing(backend.open("counts", 0)) as store:
        store.apply([(b"a", b"1")], changelog_offset=5)
        with redis.Redis.from_url(server.url) as client:
            client.hset("faust:{app-v1:counts:0}:meta", "offset", "4")
        with pytest.raises(StoreCorrupt, match="expected changelog offset 5, found 4"):
            store.get(b"a")


def test_a_full_redis_is_a_store_error_and_nothing_is_written(own_redis: Any) -> None:
    server = own_redis()
    with (
        redis.Redis.from_url(server.url) as client,
        closing(connect(server.url)) as backend,
        closing(backend.open("counts", 0)) as store,
    ):
        store.apply([(b"a", b"1")], changelog_offset=1)
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 1)
        with pytest.raises(StoreError, match="out of memory"):
            store.apply([(b"a", b"2"), (b"b", b"x" * 100_000)], changelog_offset=2)
        assert list(store.scan()) == [(b"a", b"1")]
        assert store.changelog_offset == 1
        client.config_set("maxmemory", 0)
        store.apply([(b"a", b"2")], changelog_offset=2)
        assert store.get(b"a") == b"2"


def test_a_batch_that_runs_into_the_limit_half_way_is_whole(own_redis: Any) -> None:
    server = own_redis()
    with (
        redis.Redis.from_url(server.url) as client,
        closing(connect(server.url)) as backend,
        closing(backend.open("counts", 0)) as store,
    ):
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 3_000_000)
        written = 0

        def fill() -> None:
            nonlocal written
            for offset in range(1, 100):
                store.apply([(b"%d-%d" % (offset, i), b"x" * 100) for i in range(5000)], changelog_offset=offset)
                written = offset

        with pytest.raises(StoreError, match="out of memory"):
            fill()
        assert written > 0
        assert len(list(store.scan())) == 5000 * written


def test_a_redis_that_evicts_tables_is_refused(own_redis: Any) -> None:
    server = own_redis(settings={"maxmemory-policy": "allkeys-lru"})
    with (
        closing(connect(server.url)) as backend,
        pytest.raises(StoreError, match="set maxmemory-policy to noeviction"),
    ):
        backend.open("counts", 0)


def test_a_wrong_password_is_refused_at_once_and_not_shown(own_redis: Any) -> None:
    server = own_redis()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("requirepass", "right")
    url = server.url.replace("redis://", "redis://:wrong@")
    with closing(connect(url)) as backend, pytest.raises(StoreError, match="refused") as caught:
        backend.open("counts", 0)
    assert ":wrong@" not in str(caught.value)


def test_another_program_reads_a_table_by_its_documented_layout(redis_url: str, unique: str) -> None:
    backend = create(redis_url, StoreContext(unique))
    with closing(backend), closing(backend.open("a:b c", 3)) as store:
        store.apply([(b"key", b"value"), (b"a", b"1")], changelog_offset=42)
        with redis.Redis.from_url(redis_url) as client:
            name = f"faust:{{{unique}:a%3Ab%20c:3}}"
            assert client.hgetall(name) == {b"key": b"value", b"a": b"1"}
            assert client.zrange(f"{name}:keys", 0, -1) == [b"a", b"key"]
            assert client.hget(f"{name}:meta", "offset") == b"42"
            assert client.smembers(f"faust:{unique}:stores") == {b"a%3Ab%20c:3"}
        store.close()
        backend.destroy("a:b c", 3)
        with redis.Redis.from_url(redis_url) as client:
            assert list(client.scan_iter(f"faust:*{unique}*")) == []


def test_a_key_of_another_kind_in_the_way_is_reported_before_anything_is_written(redis_url: str, unique: str) -> None:
    with (
        closing(create(redis_url, StoreContext(unique))) as backend,
        redis.Redis.from_url(redis_url) as client,
    ):
        client.set(f"faust:{{{unique}:counts:0}}:keys", "a string")
        with pytest.raises(StoreCorrupt, match="is a string, not a zset"):
            backend.open("counts", 0)
        backend.destroy("counts", 0)
        backend.open("counts", 0).close()
        backend.destroy("counts", 0)


def test_a_layout_of_another_version_is_not_touched(redis_url: str, unique: str) -> None:
    with (
        closing(create(redis_url, StoreContext(unique))) as backend,
        redis.Redis.from_url(redis_url) as client,
    ):
        client.hset(f"faust:{{{unique}:counts:0}}:meta", mapping={"layout": "9", "writer": "w"})
        with pytest.raises(StoreError, match=r"layout 9.*knows layout 1"):
            backend.open("counts", 0)
        assert client.hget(f"faust:{{{unique}:counts:0}}:meta", "writer") == b"w"
        backend.destroy("counts", 0)


def test_a_worker_that_lost_its_partition_can_write_nothing_even_after_destroy(redis_url: str, unique: str) -> None:
    with (
        closing(create(redis_url, StoreContext(unique))) as first,
        closing(create(redis_url, StoreContext(unique))) as second,
    ):
        zombie = first.open("counts", 0)
        zombie.apply([(b"a", b"1")], changelog_offset=1)
        second.destroy("counts", 0)
        with closing(second.open("counts", 0)) as store:
            store.apply([(b"a", b"2")], changelog_offset=1)
            with pytest.raises(StoreLocked, match="opened by another process"):
                zombie.apply([(b"a", b"zombie")], changelog_offset=2)
            with pytest.raises(StoreLocked):
                list(zombie.scan())
            assert store.get(b"a") == b"2"
        second.destroy("counts", 0)
