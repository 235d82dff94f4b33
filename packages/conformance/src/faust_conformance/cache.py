"""The rules that every cache keeps: `CacheConformance`, one test for each.

An implementer writes:

    class TestMyCache(CacheConformance):
        capabilities = frozenset({CacheCapability.SHARED})

        @pytest.fixture
        def make_cache(self):
            return lambda app_id: my_cache.create("mine://", CacheContext(app_id))
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from enum import Enum
from typing import ClassVar

import pytest
import pytest_asyncio

from faust_conformance.capabilities import ConformanceSuite, requires
from faust_core.protocols.cache import CacheBackend

__all__ = ["CacheCapability", "CacheConformance"]

MakeCache = Callable[[str], CacheBackend]
Wait = Callable[[float], Awaitable[None]]

AWKWARD_KEYS = ["", " ", "a", "A", "a:b", "a/b?c=d&e", "new\nline", "ü€😀", "{braces}", "*", "k" * 2000, "nul\x00"]
AWKWARD_VALUES = [b"", b"\x00", b"text", bytes(range(256)), b"\xff" * 100_000, b"None", b"0"]


class CacheCapability(Enum):
    """What a cache may do beyond what every cache must.  Declared means tested; undeclared is a visible skip."""

    #: Two caches of one application, in different processes perhaps, see each other's entries.
    SHARED = "shared"


class CacheConformance(ConformanceSuite, capability_type=CacheCapability):
    """Every rule of `CacheBackend`.

    Supply `make_cache`, and `wait` where the cache goes by a clock that the test moves; declare `capabilities`.
    """

    pytestmark: ClassVar[Sequence[pytest.MarkDecorator]] = [pytest.mark.asyncio]

    @pytest.fixture
    def make_cache(self) -> MakeCache:
        """Return what makes the cache of an application's id; there is room for some hundred entries."""
        raise NotImplementedError(f"{type(self).__name__} must supply the fixture make_cache")

    @pytest.fixture
    def wait(self) -> Wait:
        """Return what lets seconds go by."""
        return asyncio.sleep

    @pytest.fixture
    def app_id(self) -> str:
        return f"conformance-{uuid.uuid4().hex}"

    @pytest_asyncio.fixture
    async def cache(self, make_cache: MakeCache, app_id: str) -> AsyncIterator[CacheBackend]:
        cache = make_cache(app_id)
        yield cache
        await cache.aclose()

    async def test_what_was_never_set_is_none(self, cache: CacheBackend) -> None:
        assert await cache.get("nothing") is None

    async def test_any_value_comes_back_byte_for_byte(self, cache: CacheBackend) -> None:
        for value in AWKWARD_VALUES:
            await cache.set("key", value, 60)
            found = await cache.get("key")
            assert type(found) is bytes
            assert found == value

    async def test_keys_of_any_kind_are_told_apart(self, cache: CacheBackend) -> None:
        for number, key in enumerate(AWKWARD_KEYS):
            await cache.set(key, b"%d" % number, 60)
        for number, key in enumerate(AWKWARD_KEYS):
            assert await cache.get(key) == b"%d" % number, key

    async def test_a_value_is_gone_when_its_time_is_over(self, cache: CacheBackend, wait: Wait) -> None:
        await cache.set("short", b"1", 0.05)
        await cache.set("long", b"2", 60)
        await wait(0.2)
        assert await cache.get("short") is None
        assert await cache.get("long") == b"2"

    async def test_without_a_time_out_a_value_stays(self, cache: CacheBackend, wait: Wait) -> None:
        await cache.set("key", b"1")
        await wait(0.1)
        assert await cache.get("key") == b"1"

    async def test_a_value_that_is_set_again_has_its_own_time(self, cache: CacheBackend, wait: Wait) -> None:
        await cache.set("longer", b"1", 0.05)
        await cache.set("longer", b"2", 60)
        await cache.set("for ever", b"1", 0.05)
        await cache.set("for ever", b"2")
        await cache.set("shorter", b"1")
        await cache.set("shorter", b"2", 0.05)
        await wait(0.2)
        assert [await cache.get(key) for key in ("longer", "for ever", "shorter")] == [b"2", b"2", None]

    async def test_a_time_out_of_zero_or_less_leaves_nothing(self, cache: CacheBackend) -> None:
        for timeout in (0, 0.0, -1.0):
            await cache.set("key", b"1", 60)
            await cache.set("key", b"2", timeout)
            assert await cache.get("key") is None

    async def test_what_is_deleted_is_gone_and_deleting_nothing_is_no_error(self, cache: CacheBackend) -> None:
        await cache.set("key", b"1", 60)
        await cache.delete("key")
        assert await cache.get("key") is None
        await cache.delete("key")

    async def test_many_tasks_may_use_it_at_once(self, cache: CacheBackend) -> None:
        async def use(number: int) -> bytes | None:
            await cache.set(f"key {number}", b"%d" % number, 60)
            return await cache.get(f"key {number}")

        assert await asyncio.gather(*map(use, range(200))) == [b"%d" % number for number in range(200)]

    async def test_closing_is_idempotent_and_the_next_call_opens_it_again(self, cache: CacheBackend) -> None:
        await cache.set("key", b"1", 60)
        await cache.aclose()
        await cache.aclose()
        await cache.set("key", b"2", 60)
        assert await cache.get("key") == b"2"

    async def test_a_call_that_is_cancelled_leaves_the_cache_usable(self, cache: CacheBackend) -> None:
        for _ in range(5):
            task = asyncio.ensure_future(cache.set("key", b"1", 60))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await cache.set("key", b"2", 60)
        assert await cache.get("key") == b"2"

    @requires(CacheCapability.SHARED)
    async def test_caches_of_one_application_share_their_entries(
        self, cache: CacheBackend, make_cache: MakeCache, app_id: str
    ) -> None:
        other = make_cache(app_id)
        try:
            await cache.set("key", b"1", 60)
            assert await other.get("key") == b"1"
            await other.delete("key")
            assert await cache.get("key") is None
        finally:
            await other.aclose()

    async def test_entries_of_two_applications_never_mix(
        self, cache: CacheBackend, make_cache: MakeCache, app_id: str
    ) -> None:
        other = make_cache(f"{app_id}-2")
        try:
            await cache.set("key", b"1", 60)
            assert await other.get("key") is None
        finally:
            await other.aclose()
