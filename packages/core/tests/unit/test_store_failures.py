"""A store that fails costs time, never an event: whatever the agent's policy is, the work waits for it."""

from __future__ import annotations

import asyncio

import pytest

from faust_core.errors import StoreCorrupt, StoreError, StoreLocked
from faust_core.memory.store import MemoryStore
from faust_core.registry import register_store

GUARANTEES = ["at_least_once", "exactly_once"]


class Disk:
    """A backend by a third party that fails when it is told to; what was applied stays when a store is closed."""

    persistent = True
    shared = False

    def __init__(self):
        self.kept = {}
        self.open_errors = []
        self.read_errors = []
        self.apply_errors = []
        self.destroyed = []

    def open(self, table, partition, /):
        if self.open_errors:
            raise self.open_errors.pop(0)
        return DiskStore(table, partition, self)

    def destroy(self, table, partition, /):
        self.destroyed.append((table, partition))
        self.kept.pop((table, partition), None)

    def stored(self):
        return {place: offset for place, (_, offset) in self.kept.items()}

    def close(self):
        pass


class DiskStore(MemoryStore):
    def __init__(self, table, partition, disk):
        super().__init__(table, partition)
        self.disk = disk
        rows, offset = disk.kept.get((table, partition), ({}, None))
        if offset is not None:
            super().apply(list(rows.items()), changelog_offset=offset)

    def get(self, key, /):
        if self.disk.read_errors:
            raise self.disk.read_errors.pop(0)
        return super().get(key)

    def apply(self, changes, /, *, changelog_offset):
        if self.disk.apply_errors:
            raise self.disk.apply_errors.pop(0)
        super().apply(changes, changelog_offset=changelog_offset)
        self.disk.kept[self.table, self.partition] = dict(self.scan()), changelog_offset


@pytest.fixture
def disk(monkeypatch):
    monkeypatch.setattr("faust_core.engine.commits.MAX_STORE_DELAY_S", 0.02)
    monkeypatch.setattr("faust_core.engine.stores.OPEN_RETRY_S", 0.01)
    monkeypatch.setattr("faust_core.engine.checkpoint.STORE_RETRY_S", 0.01)
    monkeypatch.setattr("faust_core.engine.restore.STORE_RETRY_S", 0.01)
    disk = Disk()
    register_store("disk", lambda _url, _context: disk)
    return disk


def options(guarantee):
    # Hardly a cache, so that most reads come to the store.
    return {"store": "disk://", "table_cache_size": 2, "processing_guarantee": guarantee}


async def everything_counted_once(app, counting, eventually):
    await eventually(counting.all_committed)
    await eventually(lambda: dict(app.tables["counts"].items()) == counting.expected)
    assert counting.counts == counting.expected


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("policy", ["skip", "dead_letter", "crash", "retry"])
async def test_an_event_that_could_not_read_its_table_is_repeated_whatever_its_policy(
    lab, counting, counting_app, eventually, disk, caplog, guarantee, policy
):
    app = counting_app(**options(guarantee), on_error=policy)
    async with app:
        counting.put(20)
        await eventually(counting.all_committed)
        disk.read_errors = [StoreError("the disk does not answer")] * 3
        counting.put(30)
        await eventually(lambda: not disk.read_errors)
        await everything_counted_once(app, counting, eventually)
    assert "a store cannot be read, what follows the last commit is repeated" in caplog.text
    assert "app-dead-letter" not in lab.broker.topics


@pytest.mark.parametrize("guarantee", GUARANTEES)
async def test_half_of_an_event_is_taken_back_when_the_store_fails(lab, eventually, disk, guarantee):
    app = lab.app("w1", broker_commit_interval=0.02, **options(guarantee))
    first, second = app.Table("first", default=int), app.Table("second", default=int)

    @app.agent("in")
    async def agent(stream):
        async for key in stream:
            first[key] += 1
            await asyncio.sleep(0.03)  # checkpoints come due between the two
            second[key] += 1

    lab.broker.create_topic("in", 1)
    async with app:
        lab.put("in", "a", "b", "c")
        await eventually(lambda: lab.committed("in") == 3)
        disk.read_errors = [StoreError("away")]
        lab.put("in", "d", "a", "e", "f")
        await eventually(lambda: lab.committed("in") == 7)
        assert not disk.read_errors
        expected = {"a": 2, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}
        assert dict(first.items()) == expected
        assert dict(second.items()) == expected


@pytest.mark.parametrize("guarantee", GUARANTEES)
@pytest.mark.parametrize("error", [StoreCorrupt("bad block"), StoreLocked("another worker has it")])
@pytest.mark.parametrize("place", ["read_errors", "apply_errors"])
async def test_a_store_that_is_lost_is_taken_anew(
    lab, counting, counting_app, eventually, disk, caplog, guarantee, error, place
):
    app = counting_app(**options(guarantee))
    async with app:
        counting.put(20)
        await eventually(counting.all_committed)
        setattr(disk, place, [error])
        counting.put(30)
        # What is committed comes to the store a moment later.
        await eventually(lambda: not getattr(disk, place))
        await everything_counted_once(app, counting, eventually)
        counting.put(10)
        await everything_counted_once(app, counting, eventually)
    assert "a store is lost, its partitions are given up and taken anew" in caplog.text
    assert bool(disk.destroyed) == isinstance(error, StoreCorrupt), "what is damaged is rebuilt, the rest is not"


@pytest.mark.parametrize("error", [StoreError("disk full"), StoreCorrupt("bad block")])
async def test_a_restore_waits_for_its_store_or_begins_again(lab, counting, counting_app, eventually, disk, error):
    counting.put(50)
    async with counting_app(**options("at_least_once")):
        await eventually(counting.all_committed)
    disk.kept.clear()
    disk.apply_errors = [error] * 2
    app = counting_app(**options("at_least_once"))
    async with app:
        assert not disk.apply_errors
        assert dict(app.tables["counts"].items()) == counting.expected


async def test_a_worker_whose_store_is_away_stops_when_it_is_told_to(lab, counting, counting_app, eventually, disk):
    app = counting_app(**options("at_least_once"), shutdown_timeout=1.0)
    counting.put(5)
    async with app:
        await eventually(counting.all_committed)
        disk.read_errors = [StoreError("away")] * 1_000_000
        counting.put(20)
        await eventually(lambda: len(disk.read_errors) < 1_000_000)
    disk.read_errors = []
    app = counting_app(**options("at_least_once"))
    async with app:
        await everything_counted_once(app, counting, eventually)


async def test_a_worker_that_has_been_running_waits_for_a_place_that_it_needs_again(
    lab, counting, counting_app, eventually, disk, caplog
):
    async with counting_app(**options("at_least_once")) as app:
        counting.put(20)
        await eventually(counting.all_committed)
        disk.open_errors = [StoreError("nobody at home")] * 3
        disk.read_errors = [StoreLocked("another worker has it")]
        counting.put(20)
        await everything_counted_once(app, counting, eventually)
        assert not disk.open_errors
    assert "cannot open the store of counts/" in caplog.text
