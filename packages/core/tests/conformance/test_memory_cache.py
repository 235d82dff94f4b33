"""The cache in memory keeps every rule, and its bounds."""

from __future__ import annotations

import pytest

from faust_conformance.cache import CacheConformance, MakeCache, Wait
from faust_core.clock import SystemClock
from faust_core.errors import ConfigError
from faust_core.memory.cache import MemoryCache, create
from faust_core.protocols.cache import CacheContext
from faust_core.testing import ManualClock


class TestMemoryCache(CacheConformance):
    capabilities = frozenset()

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def make_cache(self, clock: ManualClock) -> MakeCache:
        return lambda app_id: create("memory://", CacheContext(app_id, clock))

    @pytest.fixture
    def wait(self, clock: ManualClock) -> Wait:
        return clock.elapse


async def test_what_was_not_asked_for_the_longest_goes_when_there_is_no_room() -> None:
    cache = create("memory://?max_entries=3", CacheContext("app"))
    for key in "abc":
        await cache.set(key, b"1")
    assert await cache.get("a") == b"1"
    await cache.set("d", b"1")
    assert [await cache.get(key) for key in "abcd"] == [b"1", None, b"1", b"1"]
    assert len(cache) == 3


async def test_bytes_are_bounded_and_what_is_larger_than_all_is_not_kept() -> None:
    cache = create("memory://", CacheContext("app", options={"max_bytes": 100}))
    for key in "abcdefgh":
        await cache.set(key, b"x" * 19)
    assert len(cache) == 5
    await cache.set("h", b"x" * 100)
    assert await cache.get("h") is None
    for _ in range(10):
        await cache.set("g", b"x" * 50)
    assert [await cache.get(key) for key in "defg"] == [None, b"x" * 19, b"x" * 19, b"x" * 50]
    for key in "efg":
        await cache.delete(key)
    assert cache._bytes == 0


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://?size=3", "no option 'size'; it has max_entries, max_bytes"),
        ("memory://?max_entries=0", "max_entries='0' is no whole number above zero"),
        ("memory://?max_bytes=many", "max_bytes='many'"),
    ],
)
def test_wrong_options_are_named(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create(url, CacheContext("app"))


async def test_it_goes_by_the_machines_clock_where_none_is_given() -> None:
    cache = MemoryCache(SystemClock())
    await cache.set("a", b"1", 60)
    assert await cache.get("a") == b"1"
