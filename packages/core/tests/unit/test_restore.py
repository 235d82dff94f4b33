"""Restore and standbys: from the changelog to the state before, reading no more than is missing."""

from __future__ import annotations

import asyncio

import pytest

from faust_core.errors import StoreCorrupt, StoreError, StoreLocked
from faust_core.memory.admin import MemoryAdmin
from faust_core.memory.store import MemoryStore
from faust_core.records import TopicPartition
from faust_core.registry import register_store

TIMES = {"broker_session_timeout": 0.3, "broker_heartbeat_interval": 0.1}


class Disk:
    """A store backend that outlives its workers: what is on this disk stays when a store is closed."""

    persistent = True
    shared = False

    def __init__(self):
        self.kept = {}
        self.open_errors = []
        self.apply_errors = []

    def open(self, table, partition, /):
        if self.open_errors:
            raise self.open_errors.pop(0)
        return DiskStore(table, partition, self)

    def destroy(self, table, partition, /):
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

    def apply(self, changes, /, *, changelog_offset):
        if self.disk.apply_errors:
            raise self.disk.apply_errors.pop(0)
        super().apply(changes, changelog_offset=changelog_offset)
        self.disk.kept[self.table, self.partition] = dict(self.scan()), changelog_offset


@pytest.fixture
def disk():
    disk = Disk()
    register_store("disk", lambda _url, _context: disk)
    return disk


def restored(caplog):
    return [r.args[1] for r in caplog.records if r.msg.startswith("restored %s")]


@pytest.fixture(autouse=True)
def _info(caplog):
    caplog.set_level("INFO")


async def test_tables_are_the_same_after_a_restart(lab, counting, counting_app, eventually):
    for _ in range(3):
        app = counting_app(topic_partitions=2)
        async with app:
            assert dict(app.tables["counts"].items()) == counting.expected
            counting.put(37)
            await eventually(counting.all_committed)
            assert dict(app.tables["counts"].items()) == counting.expected
    assert counting.outputs == counting.expected_outputs


async def test_a_compacted_changelog_restores_the_same(lab, eventually):
    for round_ in range(3):
        app = lab.app()
        table = app.Table("t")

        @app.agent("in")
        async def agent(stream, table=table):
            async for value in stream:
                table["always"] = value
                table[f"n{value}"] = value
                table.pop(f"n{value - 1}", None)

        async with app:
            assert dict(table.items()) == ({} if round_ == 0 else {"always": end, f"n{end}": end})  # noqa: F821
            for _ in range(4):
                lab.put("in", len(lab.records("in")))
                await asyncio.sleep(0.06)
            end = len(lab.records("in")) - 1
            await eventually(lambda end=end: lab.committed("in") == end + 1)
        lab.broker.compact("app-t-changelog")


async def test_a_changelog_that_ends_in_dropped_tombstones_is_restored(lab, eventually):
    for round_ in range(2):
        app = lab.app()
        table = app.Table("t")

        @app.agent("in")
        async def agent(stream, table=table):
            async for value in stream:
                if value == "delete":
                    table.clear()
                else:
                    table[value] = 1

        async with app:
            assert dict(table.items()) == {}
            if round_ == 0:
                lab.put("in", "a", "b")
                await eventually(lambda: lab.committed("in") == 2)
                lab.put("in", "delete")
                await eventually(lambda: lab.committed("in") == 3)
                lab.broker.compact("app-t-changelog", drop_tombstones=True)
                assert not lab.records("app-t-changelog")


async def test_a_truncated_changelog_restores_what_it_has(lab, counting, counting_app, eventually):
    app = counting_app(topic_partitions=2)
    counting.put(10)
    async with app:
        await eventually(counting.all_committed)
    lab.broker.truncate(TopicPartition("app-counts-changelog", 0), 1)
    app = counting_app(topic_partitions=2)
    async with app:
        assert len(app.tables["counts"]) == 4


async def test_under_exactly_once_transaction_markers_are_no_obstacle(lab, counting, counting_app, eventually):
    for _ in range(2):
        app = counting_app(topic_partitions=2, processing_guarantee="exactly_once")
        async with app:
            assert dict(app.tables["counts"].items()) == counting.expected
            counting.put(20)
            await eventually(counting.all_committed)
            lab.broker.faults.abort_transactions(1)
            counting.put(20)
            await eventually(counting.all_committed)


async def test_a_disk_that_is_up_to_date_has_nothing_to_restore(lab, counting, counting_app, eventually, disk, caplog):
    options = {"topic_partitions": 2, "store": "disk://"}
    counting.put(20)
    async with counting_app(**options):
        await eventually(counting.all_committed)
    caplog.clear()
    app = counting_app(**options)
    async with app:
        assert restored(caplog) == [0, 0]
        assert dict(app.tables["counts"].items()) == counting.expected


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_a_disk_that_is_behind_gets_the_tail_only(
    lab, counting, counting_app, eventually, disk, caplog, guarantee
):
    options = {"topic_partitions": 2, "store": "disk://", "consumer_group_instance_id": "one"}
    options["processing_guarantee"] = guarantee
    app = counting_app(**options)
    counting.put(50)
    await app.start()
    await eventually(counting.all_committed)
    await app.commit()  # what was committed is in the stores too
    lab.crash_at(app, "committed")
    counting.put(2)
    await lab.crashed(app)
    caplog.clear()
    app = counting_app("w2", **options)
    async with app:
        assert 1 <= sum(restored(caplog)) <= 2
        await eventually(counting.all_committed)
        assert dict(app.tables["counts"].items()) == counting.expected


async def test_local_state_of_another_changelog_is_rebuilt_with_a_warning(
    lab, counting, counting_app, eventually, disk, caplog, monkeypatch
):
    options = {"topic_partitions": 2, "store": "disk://"}
    counting.put(50)
    async with counting_app(**options):
        await eventually(counting.all_committed)
    lab.broker.delete_topic("app-counts-changelog")
    lab.broker.create_topic("app-counts-changelog", 2, {"cleanup.policy": "compact"})
    lab.put("app-counts-changelog", 7, key='"k1"', partition=1)
    # A broker that gives topics no ids: then their offsets have to tell.
    monkeypatch.setattr(MemoryAdmin, "topic_ids", no_ids)
    app = counting_app(**options)
    async with app:
        assert dict(app.tables["counts"].items()) == {"k1": 7}
    assert "the local state of app-counts-changelog/0 is of another changelog" in caplog.text


async def no_ids(_admin, _topics):
    return {}


async def test_a_corrupt_store_is_deleted_and_rebuilt(lab, counting, counting_app, eventually, disk, caplog):
    options = {"topic_partitions": 2, "store": "disk://"}
    counting.put(50)
    async with counting_app(**options):
        await eventually(counting.all_committed)
    disk.open_errors = [StoreCorrupt("bad block")]
    app = counting_app(**options)
    async with app:
        assert dict(app.tables["counts"].items()) == counting.expected
    assert "deleting and rebuilding the store of counts/" in caplog.text


async def test_a_store_that_cannot_be_opened_stops_the_worker(lab, counting_app, counting, disk):
    disk.open_errors = [StoreError("the directory is read only")]
    with pytest.raises(StoreError, match="read only"):
        await counting_app(topic_partitions=2, store="disk://").start()


async def test_a_locked_store_is_waited_for(lab, counting, counting_app, eventually, disk):
    disk.open_errors = [StoreLocked("its last owner is closing it")] * 2
    counting.put(5)
    async with counting_app(topic_partitions=2, store="disk://"):
        await eventually(counting.all_committed)


async def test_a_store_that_fails_for_a_while_is_written_later(
    lab, counting, counting_app, eventually, disk, monkeypatch, caplog
):
    monkeypatch.setattr("faust_core.engine.checkpoint.STORE_RETRY_S", 0.01)
    app = counting_app(topic_partitions=2, store="disk://")
    async with app:
        disk.apply_errors = [StoreError("disk full")] * 3
        counting.put(10)
        await eventually(lambda: disk.kept and counting.all_committed())
        counting.put(10)
        await eventually(counting.all_committed)
        assert dict(app.tables["counts"].items()) == counting.expected
    assert "cannot write to the store of app-counts-changelog" in caplog.text


async def test_progress_is_told(lab, counting, counting_app, eventually):
    counting.put(50)
    async with counting_app(topic_partitions=2):
        await eventually(counting.all_committed)
    told = []
    app = counting_app(topic_partitions=2)
    await app.start(on_progress=told.append)
    await app.stop()
    assert told[-1].remaining == 0
    assert sum(p.records for p in told if p.remaining == 0) == len(lab.records("app-counts-changelog"))


# -- standbys


def standby_rows(app):
    tasks = [task for task in app.worker.rebalancer.tasks.values() if task.state.value == "standby"]
    return {key: value for task in tasks for table in task.tables.values() for key, value in table.items()}


@pytest.mark.parametrize("guarantee", ["at_least_once", "exactly_once"])
async def test_a_standby_follows_and_takes_over_with_the_tail_only(
    lab, counting, counting_app, eventually, caplog, guarantee
):
    options = {"topic_partitions": 2, "table_standby_replicas": 1, "processing_guarantee": guarantee, **TIMES}
    first, second = counting_app("w1", **options), counting_app("w2", **options)
    await first.start()
    async with second:
        counting.put(100)
        await eventually(counting.all_committed)
        together = lambda: (  # noqa: E731
            standby_rows(first) | standby_rows(second) == counting.expected
            and len(standby_rows(first)) + len(standby_rows(second)) == 5
        )
        await eventually(together)
        counting.put(100)
        await eventually(counting.all_committed)
        await eventually(together)
        caplog.clear()
        lab.crash(first)
        await lab.crashed(first)
        await eventually(lambda: len(second.worker.rebalancer.running()) == 2)
        assert sum(restored(caplog)) <= 1
        assert dict(second.tables["counts"].items()) == counting.expected
        counting.put(50)
        await eventually(counting.all_committed)
        assert dict(second.tables["counts"].items()) == counting.expected
    if guarantee == "exactly_once":
        assert counting.outputs == counting.expected_outputs


async def test_a_standby_shows_nothing_to_its_application(lab, counting, counting_app, eventually):
    options = {"topic_partitions": 2, "table_standby_replicas": 1, **TIMES}
    first, second = counting_app("w1", **options), counting_app("w2", **options)
    async with first, second:
        counting.put(20)
        await eventually(counting.all_committed)
        await eventually(lambda: len(second.worker.rebalancer.running()) == 1)
        await eventually(
            lambda: (
                sorted([*first.tables["counts"].items(), *second.tables["counts"].items()])
                == sorted(counting.expected.items())
            )
        )
