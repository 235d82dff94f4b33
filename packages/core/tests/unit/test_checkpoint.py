"""Checkpoints: in which order their steps come, when they are due, what they cut, and what a crash leaves."""

from __future__ import annotations

import asyncio
import time

import pytest

from faust_core.errors import TransportError
from faust_core.records import TopicPartition
from tests.services.patience import PATIENCE

STEPS = ["staging", "changelog written", "flushed", "committed", "applied"]
IDLE = {"broker_commit_interval": 60}


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_loses_nothing(lab, counting, counting_app, eventually, step):
    options = {"consumer_group_instance_id": "one", "topic_partitions": 2}
    app = counting_app(**options)
    counting.put(50)
    await app.start()
    await eventually(lambda: app.worker.checkpointer.commits > 0)
    lab.crash_at(app, step, nth=2)
    for _ in range(20):
        counting.put(10)
        await asyncio.sleep(0.002)
    await lab.crashed(app)
    app = counting_app("w2", **options)
    async with app:
        counting.put(30)
        await eventually(counting.all_committed)
    if step in {"staging", "committed", "applied"}:
        assert counting.counts == counting.expected
    else:
        # The changelog's flush and the offsets' commit are two steps: what is between them may be counted twice.
        assert all(counting.counts[key] >= n for key, n in counting.expected.items())
    assert set(counting.expected_outputs) <= set(counting.outputs)


async def test_changelog_then_flush_then_commit_then_apply(lab, counting, counting_app, eventually):
    app = counting_app(**IDLE, topic_partitions=2)
    steps = []

    def look(step):
        stores = [table.store for task in app.worker.rebalancer.running() for table in task.tables.values()]
        applied = sum(store.changelog_offset or 0 for store in stores)
        steps.append((step, len(counting.counts), counting.all_committed(), applied))

    counting.put(10)
    async with app:
        await eventually(lambda: len(counting.outputs) == 10)
        app.worker.checkpointer.on_step = look
        await app.commit()
        app.worker.checkpointer.on_step = lambda _step: None
    assert [step for step, *_ in steps] == STEPS
    assert [(done, applied) for _, _, done, applied in steps] == [
        (False, 0), (False, 0), (False, 0), (True, 0), (True, 5)
    ]  # fmt: skip
    assert [changed for _, changed, _, _ in steps] == [0, 5, 5, 5, 5]


async def test_when_the_changelog_cannot_be_written_nothing_is_committed(lab, counting, counting_app, eventually):
    app = counting_app(**IDLE, topic_partitions=2)
    counting.put(10)
    await app.start()
    await eventually(lambda: len(counting.outputs) == 10)
    lab.broker.faults.fail_send(1, topic="app-counts-changelog")
    with pytest.raises(TransportError, match="refused"):
        await app.commit()
    assert lab.committed("in", 0) is None
    assert lab.committed("in", 1) is None


async def test_a_failing_flush_stops_the_worker_and_nothing_is_committed(lab, counting, counting_app, eventually):
    app = counting_app(topic_partitions=2, broker_commit_interval=0.05)
    await app.start()
    lab.broker.faults.fail_send(1, topic="out")
    counting.put(10)
    with pytest.raises(TransportError, match="refused"):
        await app.wait()
    assert not lab.broker.committed("app")
    with pytest.raises(TransportError, match="refused"):
        await app.stop()


@pytest.mark.parametrize("applied", [False, True])
async def test_a_commit_is_tried_again_until_the_broker_confirms_it(lab, counting, counting_app, eventually, applied):
    app = counting_app(topic_partitions=2)
    async with app:
        lab.broker.faults.fail_commits(3, applied=applied)
        counting.put(10)
        await eventually(counting.all_committed)
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


async def test_a_checkpoint_is_due_by_its_interval(lab, counting, counting_app, eventually):
    app = counting_app(broker_commit_interval=0.3, topic_partitions=2)
    async with app:
        started = time.monotonic()
        counting.put(10)
        await eventually(lambda: len(counting.outputs) == 10)
        assert not counting.all_committed()
        await eventually(counting.all_committed)
        assert time.monotonic() - started < 1 * PATIENCE


async def test_a_checkpoint_is_due_after_so_many_events(lab, counting, counting_app, eventually):
    app = counting_app(**IDLE, broker_commit_every=100, topic_partitions=2)
    async with app:
        counting.put(99)
        await eventually(lambda: len(counting.outputs) == 99)
        await asyncio.sleep(0.15)
        assert not lab.broker.committed("app")
        counting.put(1)
        await eventually(counting.all_committed)


async def test_a_checkpoint_is_due_after_so_many_changed_keys(lab, eventually):
    app = lab.app(**IDLE, overlay_max_keys=10)
    table = app.Table("t")

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table[value] = 1

    async with app:
        lab.put("in", *range(9))
        await asyncio.sleep(0.15)
        assert not lab.changelog("t")
        lab.put("in", 9)
        await eventually(lambda: len(lab.changelog("t")) == 10)


async def test_stopping_commits_everything(lab, counting, counting_app, eventually):
    app = counting_app(**IDLE, topic_partitions=2)
    counting.put(100)
    async with app:
        await eventually(lambda: len(counting.outputs) == 100)
    assert counting.all_committed()
    assert counting.counts == counting.expected


async def test_stopping_waits_for_items_in_flight(lab, eventually):
    app = lab.app(**IDLE)
    table = app.Table("t", default=int)
    started = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            started.append(value)
            await asyncio.sleep(0.2)
            table[value] += 1

    lab.put("in", 1, 2, 3)
    async with app:
        await eventually(lambda: started == [1])
    assert started == [1]
    assert lab.committed("in") == 1
    assert lab.changelog("t") == {1: 1}


async def test_a_slow_item_that_has_not_written_is_cut_around(lab, eventually):
    app = lab.app(**IDLE)
    table = app.Table("t", default=int)
    go = asyncio.Event()

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            if value == 3:
                await go.wait()
            table[value] += 1

    lab.put("in", 1, 2, 3)
    async with app:
        await eventually(lambda: len(table) == 2)
        started = time.monotonic()
        await app.commit()
        assert time.monotonic() - started < 0.05 * PATIENCE
        assert lab.committed("in") == 2
        assert lab.changelog("t") == {1: 1, 2: 1}
        go.set()
    assert lab.committed("in") == 3
    assert lab.changelog("t") == {1: 1, 2: 1, 3: 1}


async def test_a_slow_item_that_has_written_delays_its_own_task_only(lab, eventually):
    app = lab.app(topic_partitions=2)
    lab.broker.create_topic("in", 2)
    table = app.Table("t", default=int)
    go = asyncio.Event()
    other = []

    @app.agent("in", concurrency=2)
    async def agent(stream):
        async for value in stream:
            table[value] += 1
            if value == "slow":
                await go.wait()
            else:
                other.append(value)

    async with app:
        lab.put("in", "slow", partition=0)
        await eventually(lambda: "slow" in table)
        for n in range(40):
            lab.put("in", n, partition=1)
            await asyncio.sleep(0.01)
        await eventually(lambda: lab.committed("in", 1) == 40, 0.5)
        assert len(other) == 40
        assert lab.committed("in", 0) in {None, 0}
        assert "slow" not in lab.changelog("t")
        go.set()
        await eventually(lambda: lab.committed("in", 0) == 1)
        assert lab.changelog("t")["slow"] == 1


async def test_after_a_while_the_cut_goes_through_an_item_that_has_written(lab, eventually):
    app = lab.app()
    table = app.Table("t", default=int)
    go = asyncio.Event()

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table[value] += 1
            if value == 2:
                await go.wait()

    lab.put("in", 1, 2)
    async with app:
        await eventually(lambda: 2 in table)
        await eventually(lambda: (lab.changelog("t"), lab.committed("in")) == ({1: 1, 2: 1}, 1))
        go.set()
        await eventually(lambda: lab.committed("in") == 2)


async def test_the_committed_offset_is_the_next_to_read(lab, eventually):
    seen = []
    for _ in range(2):
        app = lab.app()

        @app.agent("in")
        async def agent(stream):
            async for value in stream:
                seen.append(value)

        lab.put("in", *range(len(lab.records("in")), len(lab.records("in")) + 5))
        async with app:
            await eventually(lambda: len(seen) == len(lab.records("in")))
        assert lab.committed("in") == len(seen)
    assert seen == list(range(10))


async def test_a_full_producer_makes_the_checkpoint_wait(lab, counting, counting_app, eventually):
    app = counting_app(topic_partitions=2)
    async with app:
        lab.broker.faults.clog("w1")
        counting.put(10)
        await asyncio.sleep(0.1)
        assert not lab.broker.committed("app")
        lab.broker.faults.unclog("w1")
        await eventually(counting.all_committed)
    assert counting.counts == counting.expected


async def test_a_changelog_partition_without_leader_holds_the_commit_until_it_is_back(
    lab, counting, counting_app, eventually
):
    app = counting_app(topic_partitions=2)
    async with app:
        lost = TopicPartition("app-counts-changelog", 0)
        lab.broker.faults.lose_partition(lost)
        counting.put(10)
        await asyncio.sleep(0.15)
        assert not lab.committed("in", 0)
        lab.broker.faults.restore_partition(lost)
        await eventually(counting.all_committed)
    assert counting.counts == counting.expected


async def test_nothing_is_committed_while_nothing_is_done(lab, counting, counting_app, eventually):
    app = counting_app(topic_partitions=2)
    counting.put(10)
    async with app:
        await eventually(counting.all_committed)
        commits = app.worker.checkpointer.commits
        await asyncio.sleep(0.2)
        assert app.worker.checkpointer.commits == commits
