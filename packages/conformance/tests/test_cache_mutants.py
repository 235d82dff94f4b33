"""The kit fails for caches that break a rule: each mutant of a cache in memory is caught, by the rules named."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

_ARGUMENTS = ["-q", "--tb=no", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"]

_BEGIN = """
import asyncio

import pytest
from faust_conformance.cache import CacheCapability, CacheConformance
from faust_core.memory.cache import MemoryCache
from faust_core.protocols.cache import CacheContext
from faust_core.testing import ManualClock

places = {}

class Cache(MemoryCache):
    def __init__(self, app_id, clock):
        super().__init__(clock)
        self._entries = places.setdefault(self.place(app_id), self._entries)

    def place(self, app_id):
        return app_id

    async def aclose(self):
        pass

class Mutant(CacheConformance):
    capabilities = frozenset({CacheCapability.SHARED})
    cache_class = Cache

    @pytest.fixture
    def clock(self):
        return ManualClock()

    @pytest.fixture
    def make_cache(self, clock):
        return lambda app_id: self.cache_class(app_id, clock)

    @pytest.fixture
    def wait(self, clock):
        return clock.elapse

class TestNoMutant(Mutant):
    pass
"""

#: Name of the mutant, its code, and the rules that must catch it.
_MUTANTS: dict[str, tuple[str, set[str]]] = {
    "IsEndless": (
        """
    async def set(self, key, value, timeout=None):
        await super().set(key, value)
""",
        {
            "test_a_value_is_gone_when_its_time_is_over",
            "test_a_value_that_is_set_again_has_its_own_time",
            "test_a_time_out_of_zero_or_less_leaves_nothing",
        },
    ),
    "CountsInWholeSeconds": (
        """
    async def set(self, key, value, timeout=None):
        await super().set(key, value, timeout and max(1, int(timeout)))
""",
        {"test_a_value_is_gone_when_its_time_is_over", "test_a_time_out_of_zero_or_less_leaves_nothing"},
    ),
    "KeepsTheFirst": (
        """
    async def set(self, key, value, timeout=None):
        if await self.get(key) is None:
            await super().set(key, value, timeout)
""",
        {"test_a_value_that_is_set_again_has_its_own_time", "test_a_time_out_of_zero_or_less_leaves_nothing"},
    ),
    "TakesNothingForNone": (
        """
    async def get(self, key, /):
        return await super().get(key) or None
""",
        {"test_any_value_comes_back_byte_for_byte"},
    ),
    "MixesApplications": (
        """
    def place(self, app_id):
        return "everybody"
""",
        {"test_entries_of_two_applications_never_mix"},
    ),
    "SharesNothing": (
        """
    def place(self, app_id):
        return object()
""",
        {"test_caches_of_one_application_share_their_entries"},
    ),
    "CutsKeys": (
        """
    async def set(self, key, value, timeout=None):
        await super().set(key.lower(), value, timeout)

    async def get(self, key, /):
        return await super().get(key.lower())
""",
        {"test_keys_of_any_kind_are_told_apart"},
    ),
    "RaisesWhenThereIsNothing": (
        """
    async def delete(self, key, /):
        del self._entries[key]
""",
        {"test_what_is_deleted_is_gone_and_deleting_nothing_is_no_error"},
    ),
    "StaysClosed": (
        """
    closed = False

    async def aclose(self):
        self.closed = True

    async def get(self, key, /):
        return None if self.closed else await super().get(key)
""",
        {"test_closing_is_idempotent_and_the_next_call_opens_it_again"},
    ),
    "ServesOneAtATime": (
        """
    busy = False

    async def get(self, key, /):
        if self.busy:
            raise RuntimeError("busy")
        self.busy = True
        await asyncio.sleep(0)
        self.busy = False
        return await super().get(key)
""",
        {"test_many_tasks_may_use_it_at_once"},
    ),
    "StumblesWhenCancelled": (
        """
    busy = False

    async def set(self, key, value, timeout=None):
        if self.busy:
            raise RuntimeError("busy")
        self.busy = True
        await asyncio.sleep(0)
        await super().set(key, value, timeout)
        self.busy = False
""",
        {"test_a_call_that_is_cancelled_leaves_the_cache_usable"},
    ),
}


@pytest.mark.timeout(60)
def test_every_mutant_of_a_cache_is_caught_by_the_rules_named(pytester: pytest.Pytester) -> None:
    source = _BEGIN
    for name, (code, _) in _MUTANTS.items():
        source += f"\nclass {name}(Cache):\n{code}\nclass Test{name}(Mutant):\n    cache_class = {name}\n"
    pytester.makepyfile(source)
    result = pytester.runpytest_inprocess(*_ARGUMENTS, "-rf")
    failed: dict[str, set[str]] = {}
    for line in result.outlines:
        if line.startswith("FAILED "):
            suite, rule = line.split("::")[1:3]
            failed.setdefault(suite, set()).add(rule.split(" ")[0])
    assert "TestNoMutant" not in failed
    for name, (_, rules) in _MUTANTS.items():
        missed = rules - failed.get(f"Test{name}", set())
        assert not missed, f"{name} was not caught by {', '.join(sorted(missed))}"
