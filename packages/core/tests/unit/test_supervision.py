"""What becomes of a worker when one of its parts fails: each failure has one outcome, and `wait` says which it was."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from faust_core.errors import ConfigError, StoreError, TransportError
from faust_core.memory.store import MemoryBackend, MemoryStore
from faust_core.protocols.store import StoreContext
from faust_core.registry import register_store


class Disk:
    """What goes wrong with the stores of this test."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        #: partitions that take until they are no longer in here to open
        self.closed: set[int] = set()

    def check(self, doing: str) -> None:
        if doing in self.broken:
            raise StoreError(f"no space left on device, {doing}")


class BreakableStore(MemoryStore):
    disk: Disk

    def get(self, key: bytes, /) -> bytes | None:
        self.disk.check("get")
        return super().get(key)

    def apply(self, changes: Any, /, *, changelog_offset: int) -> None:
        self.disk.check("apply")
        super().apply(changes, changelog_offset=changelog_offset)


@pytest.fixture
def disk() -> Disk:
    disk = Disk()

    class Backend(MemoryBackend):
        def open(self, table: str, partition: int, options: Any = None, /) -> BreakableStore:
            disk.check("open")
            while partition in disk.closed:
                time.sleep(0.005)
            store = BreakableStore(table, partition, self)
            store.disk = disk
            return store

    def create(_url: str, _context: StoreContext, /) -> Backend:
        return Backend()

    register_store("breakable", create)
    return disk


async def failure_of(app: Any) -> BaseException:
    with pytest.raises(Exception, match=r".") as raised:
        await asyncio.wait_for(app.wait(), 8)
    with pytest.raises(type(raised.value)):
        await app.stop()
    return raised.value


async def test_a_consumer_that_can_never_work_again_stops_the_worker(lab, counting, counting_app, eventually):
    counting.put(5)
    app = counting_app()
    await app.start()
    await eventually(counting.all_committed)
    app.worker.fetcher._consumer.kill()
    error = await failure_of(app)
    assert isinstance(error, TransportError)
    assert "consumer input is closed" in str(error)


async def test_a_restore_consumer_that_can_never_work_again_stops_the_worker(lab, counting, counting_app, eventually):
    counting.put(5)
    options = {"table_standby_replicas": 1}
    async with counting_app(**options):
        standby = counting_app("w2", **options)
        await standby.start()
        await eventually(lambda: standby.worker.restorer._replicas)
        standby.worker._restore_consumer.kill()
        assert "consumer restore is closed" in str(await failure_of(standby))


async def test_the_first_failure_is_the_one_that_is_told(lab, counting, counting_app, eventually):
    """Not what follows from it: here a rebalance that finds the worker stopping."""
    counting.put(5)
    app = counting_app(broker_commit_interval=5)
    await app.start()
    lab.broker.faults.fail_flush(error=TransportError("the disk of the broker is full"))
    app.worker.membership.rejoin()  # commits first
    assert str(await failure_of(app)) == "the disk of the broker is full"


async def test_a_producer_that_fails_for_good_stops_the_worker_and_nothing_is_committed(
    lab, counting, counting_app, eventually
):
    app = counting_app()
    await app.start()
    lab.broker.faults.fail_send(error=TransportError("not authorized to write"), topic="out")
    lab.broker.faults.delay(0.001)  # records wait, as they do on their way to a real broker
    counting.put(5)
    assert str(await failure_of(app)) == "not authorized to write"
    assert not counting.all_committed()
    lab.broker.faults.clear()
    again = counting_app("w2")
    lab.broker.end_session("w1")
    async with again:
        await eventually(counting.all_committed)
    assert {key for key, _ in counting.outputs} == set(counting.expected)


async def test_a_store_that_cannot_be_written_is_tried_again_until_it_can(
    lab, counting, counting_app, eventually, disk, caplog, monkeypatch
):
    monkeypatch.setattr("faust_core.engine.checkpoint.STORE_RETRY_S", 0.05)
    app = counting_app(store="breakable://")
    async with app:
        disk.broken = {"apply"}
        counting.put(5)
        await eventually(lambda: "cannot write to the store" in caplog.text)
        assert "no space left on device" in caplog.text
        disk.broken.clear()
        counting.put(5)
        await eventually(counting.all_committed)
    assert counting.counts == counting.expected


async def test_a_store_that_cannot_be_read_is_waited_for_and_costs_no_event(
    lab, counting, counting_app, eventually, disk, caplog
):
    app = counting_app(store="breakable://", on_error="dead_letter")
    async with app:
        disk.broken = {"get"}
        counting.put(1)
        await eventually(lambda: "a store cannot be read" in caplog.text)
        disk.broken.clear()
        counting.put(4)
        await eventually(counting.all_committed)
    assert counting.counts == counting.expected
    assert not lab.records("app-dead-letter")


async def test_a_store_that_cannot_be_opened_stops_the_worker_with_the_reason(lab, counting, counting_app, disk):
    disk.broken = {"open"}
    with pytest.raises(StoreError, match="no space left on device, open"):
        await counting_app(store="breakable://").start()


async def test_a_restore_that_cannot_be_written_is_tried_again_until_it_can(
    lab, counting, counting_app, eventually, disk, caplog
):
    counting.put(5)
    async with counting_app(store="breakable://"):
        await eventually(counting.all_committed)
    disk.broken = {"apply"}
    app = counting_app(store="breakable://")
    starting = asyncio.create_task(app.start())
    await eventually(lambda: "cannot restore app-counts-changelog" in caplog.text)
    assert not starting.done()
    disk.broken.clear()
    await asyncio.wait_for(starting, 8)
    counting.put(5)
    await eventually(counting.all_committed)
    await app.stop()
    assert counting.counts == counting.expected


async def test_a_timer_that_raises_harms_nothing_else(lab, counting, counting_app, eventually, caplog):
    app = counting_app()

    @app.timer(0.02)
    async def broken() -> None:
        raise ValueError("a timer's own error")

    async with app:
        await eventually(lambda: caplog.text.count("a timer's own error") > 1)
        counting.put(5)
        await eventually(counting.all_committed)


async def test_an_event_of_policy_crash_stops_the_worker_with_its_error(lab):
    app = lab.app(on_error="crash")

    @app.agent("in")
    async def agent(stream):
        async for _ in stream:
            raise ConfigError("the body's own error")

    lab.put("in", 1)
    await app.start()
    assert str(await failure_of(app)) == "the body's own error"
    assert lab.committed("in") is None


async def test_a_worker_that_is_stopped_while_it_starts_begins_nothing_that_it_would_not_commit(lab, eventually, disk):
    """A task that came to run behind the last checkpoint would send what is sent again after the restart."""
    lab.broker.create_topic("in", 2)
    lab.broker.create_topic("out", 1)
    lab.put("in", "slow", partition=0)
    lab.put("in", "other", partition=1)
    began = asyncio.Event()

    def make() -> Any:
        app = lab.app(store="breakable://", topic_partitions=2)
        table, out = app.Table("table"), app.topic("out")

        @app.agent("in")
        async def agent(stream):
            async for value in stream:
                table[value] = value
                if value == "slow":
                    began.set()
                    await asyncio.sleep(0.5)
                await out.send(value=value)

        return app

    disk.closed.add(1)
    app = make()
    starting = asyncio.create_task(app.start())
    await asyncio.wait_for(began.wait(), 8)
    stopping = asyncio.create_task(app.stop())
    await asyncio.sleep(0.1)  # the last checkpoint waits for the slow event
    disk.closed.clear()
    await stopping
    await asyncio.gather(starting, return_exceptions=True)
    async with make():
        await eventually(lambda: lab.committed("in", 1) == 1)
    assert sorted(lab.values("out")) == ["other", "slow"]
