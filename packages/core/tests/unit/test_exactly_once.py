"""Exactly once: whatever fails, tables and output are those of one undisturbed run."""

from __future__ import annotations

import asyncio

import pytest

STEPS = ["staging", "changelog written", "flushed", "committed", "applied"]
EXACTLY_ONCE = {"processing_guarantee": "exactly_once", "topic_partitions": 2, "broker_commit_interval": 0.02}


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_of_a_checkpoint_changes_nothing(
    lab, counting, counting_app, eventually, step, group
):
    options = {**EXACTLY_ONCE, "consumer_group_instance_id": "one", "group": group}
    app = counting_app(**options)
    counting.put(50)
    await app.start()
    await eventually(lambda: app.worker.checkpointer.commits > 0)
    lab.crash_at(app, step, nth=2)
    for _ in range(50):
        counting.put(10)
        await asyncio.sleep(0.002)
        if app.worker is None or app.worker.checkpointer is None:
            break
    await lab.crashed(app)
    app = counting_app("w2", **options)
    async with app:
        counting.put(30)
        await eventually(counting.all_committed)
        if group:
            await eventually(lambda: counting.all_committed("count-in-key-repartition"))
        assert dict(app.tables["counts"].items()) == counting.expected
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


@pytest.mark.parametrize("group", [False, True])
async def test_an_aborted_transaction_is_repeated_from_where_it_began(lab, counting, counting_app, eventually, group):
    app = counting_app(**EXACTLY_ONCE, group=group)
    counting.put(40)
    async with app:
        await eventually(lambda: lab.values("out"))
        for _ in range(5):
            lab.broker.faults.abort_transactions(1)
            counting.put(40)
            await asyncio.sleep(0.05)
        await eventually(counting.all_committed)
        await eventually(lambda: counting.outputs == counting.expected_outputs)
        assert dict(app.tables["counts"].items()) == counting.expected
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


async def test_an_aborted_transaction_takes_items_in_flight_back(lab, counting, counting_app, eventually):
    app = counting_app(**EXACTLY_ONCE, pause_s=0.005)
    async with app:
        for _ in range(8):
            lab.broker.faults.abort_transactions(1)
            counting.put(20)
            await eventually(counting.all_committed)
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


async def test_an_item_that_outlives_the_transaction_aborts_it_and_is_repeated(lab, eventually):
    app = lab.app(**{**EXACTLY_ONCE, "broker_commit_interval": 0.02, "transaction_timeout": 0.2})
    lab.broker.create_topic("in", 2)
    lab.broker.create_topic("out", 1)
    table, out = app.Table("t", default=int), app.topic("out")
    tries = []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            table["n"] += 1
            await out.send(value=["before", value])
            tries.append(value)
            if len(tries) == 1:
                await asyncio.sleep(5)
            await out.send(value=["after", value])

    lab.put("in", 1)
    async with app:
        await eventually(lambda: lab.committed("in") == 1)
    assert tries == [1, 1]
    assert lab.values("out") == [["before", 1], ["after", 1]]
    assert lab.changelog("t") == {"n": 1}


async def test_dead_letters_belong_to_the_transaction(lab, counting, counting_app, eventually):
    app = counting_app(**EXACTLY_ONCE, consumer_group_instance_id="one")
    lab.put("in", {"not": "a pair"}, 7)
    counting.put(5)
    await app.start()
    lab.crash_at(app, "flushed")
    await lab.crashed(app)
    app = counting_app("w2", **EXACTLY_ONCE, consumer_group_instance_id="one")
    async with app:
        await eventually(counting.all_committed)
    assert [v for v in lab.values("app-dead-letter") if v == 7] == [7]
    assert counting.counts == counting.expected


async def test_a_worker_that_was_fenced_drops_its_work_and_joins_again(lab, counting, counting_app, eventually):
    app = counting_app(**EXACTLY_ONCE)
    counting.put(50)
    async with app:
        await eventually(counting.all_committed)
        for _ in range(3):
            counting.put(20)
            await asyncio.sleep(0.01)
            lab.broker.end_session("w1")
            counting.put(20)
        await eventually(counting.all_committed)
        assert dict(app.tables["counts"].items()) == counting.expected
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


async def test_a_zombie_cannot_commit(lab, counting, counting_app, eventually):
    times = {"broker_session_timeout": 0.3, "broker_heartbeat_interval": 0.1}
    first = counting_app("w1", **EXACTLY_ONCE, **times)
    counting.put(50)
    await first.start()
    await eventually(counting.all_committed)
    lab.broker.faults.cut("w1")
    second = counting_app("w2", **EXACTLY_ONCE, **times)
    async with second:
        counting.put(50)
        await eventually(counting.all_committed)
        lab.broker.faults.heal("w1")
        counting.put(50)
        await eventually(counting.all_committed)
        await asyncio.sleep(0.1)
        counting.put(20)
        await eventually(counting.all_committed)
        await first.stop()
        counting.put(20)
        await eventually(counting.all_committed)
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


async def test_what_is_sent_without_reading_anything_is_committed(lab, eventually):
    app = lab.app(**EXACTLY_ONCE)
    lab.broker.create_topic("out", 1)
    async with app:
        await app.send("out", value=1)
        await eventually(lambda: lab.values("out") == [1])


async def test_a_failed_changelog_record_aborts_the_transaction(lab, counting, counting_app, eventually):
    app = counting_app(**EXACTLY_ONCE)
    counting.put(20)
    async with app:
        await eventually(counting.all_committed)
        lab.broker.faults.fail_send(1, topic="app-counts-changelog")
        counting.put(20)
        await eventually(counting.all_committed)
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs
