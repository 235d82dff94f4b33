"""Exactly once: whatever fails, tables and output are those of one undisturbed run."""

from __future__ import annotations

import asyncio

import pytest

from faust_core.engine.outside import MAX_RECORDS
from faust_core.errors import BufferFull, TransportError

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
        # Where the answer to the last commit was lost, the table is being read from its changelog.
        await eventually(lambda: dict(app.tables["counts"].items()) == counting.expected)
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


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("group", [False, True])
async def test_a_commit_without_an_answer_counts_once(lab, counting, counting_app, eventually, group, applied):
    app = counting_app(**EXACTLY_ONCE, group=group)
    counting.put(40)
    async with app:
        await eventually(lambda: lab.values("out"))
        for _ in range(5):
            lab.broker.faults.lose_commit_answers(1, applied=applied)
            counting.put(40)
            await asyncio.sleep(0.05)
        await eventually(counting.all_committed)
        await eventually(lambda: counting.outputs == counting.expected_outputs)
        # Where the answer to the last commit was lost, the table is being read from its changelog.
        await eventually(lambda: dict(app.tables["counts"].items()) == counting.expected)
    assert counting.counts == counting.expected
    assert counting.outputs == counting.expected_outputs


async def test_what_a_timer_sends_is_sent_again_after_an_abort(lab, counting, counting_app, eventually):
    app = counting_app(**EXACTLY_ONCE, pause_s=0.001)
    lab.broker.create_topic("ticks", 1)
    sent, told = [], []

    @app.timer(0.003)
    async def tick():
        number = len(sent)
        await app.send("ticks", value=number, callback=lambda _: told.append(number))
        sent.append(number)

    async with app:
        for _ in range(5):
            lab.broker.faults.abort_transactions(1)
            counting.put(20)
            await eventually(counting.all_committed)
        lab.broker.faults.abort_transactions(1)  # the last one is the one at the end
        counting.put(1)
        await asyncio.sleep(0)
    assert len(sent) > 10
    assert lab.values("ticks") == sent, "each once, in order"
    assert told == sent


async def test_a_record_of_a_timer_that_is_refused_again_and_again_holds_nothing_up(
    lab, counting, counting_app, eventually, caplog
):
    app = counting_app(**EXACTLY_ONCE)
    lab.broker.create_topic("ticks", 1)
    counting.put(5)
    async with app:
        await eventually(counting.all_committed)
        refused = await app.topic("there-is-none").send(value=1, report=True)
        await app.send("ticks", value=2)
        counting.put(5)
        await eventually(lambda: lab.values("ticks") == [2])
        await eventually(counting.all_committed)
        with pytest.raises(TransportError, match="there-is-none"):
            await refused
    assert "a record for there-is-none that was sent outside of an event is lost: it was refused 3 times" in caplog.text
    assert counting.outputs == counting.expected_outputs


async def test_more_than_a_transaction_may_hold_of_outside_records_waits_for_the_next(lab, eventually):
    app = lab.app(**EXACTLY_ONCE)
    lab.broker.create_topic("out", 1)
    out = app.topic("out")

    @app.on_started.connect
    async def send_before_there_is_anything_to_read(_app):
        for number in range(MAX_RECORDS):
            out.send_soon(value=number)
        with pytest.raises(BufferFull, match="outside of events"):
            out.send_soon(value=MAX_RECORDS)
        await out.send(value=MAX_RECORDS)

    async with app:
        await eventually(lambda: len(lab.records("out")) == MAX_RECORDS + 1)
    assert lab.values("out") == list(range(MAX_RECORDS + 1))


async def test_transactions_of_workers_that_died_together_do_not_hold_their_readers_up(
    lab, counting, counting_app, eventually
):
    times = {"broker_session_timeout": 0.3, "broker_heartbeat_interval": 0.1, "transaction_timeout": 60}
    workers = [counting_app(name, **EXACTLY_ONCE, **times) for name in ("w1", "w2")]
    counting.put(50)
    for app in workers:
        await app.start()
    await eventually(counting.all_committed)
    await eventually(lambda: all(len(app.worker.rebalancer.running()) == 1 for app in workers))
    counting.put(50)
    await eventually(counting.all_committed)
    for app in workers:
        lab.crash_at(app, "flushed")
    counting.put(50)
    for app in workers:
        await lab.crashed(app)
    assert len(lab.broker.transactions.open_ids()) == 2
    async with counting_app("w3", **EXACTLY_ONCE, **times):
        counting.put(10)
        await eventually(counting.all_committed)
        assert counting.outputs == counting.expected_outputs, "nobody waits for what the dead have left open"
    assert not lab.broker.transactions.open_ids()
    assert counting.counts == counting.expected


async def test_a_worker_that_gave_a_partition_up_and_lives_is_not_fenced(lab, counting, counting_app, eventually):
    first = counting_app("w1", **EXACTLY_ONCE)
    counting.put(50)
    await first.start()
    await eventually(counting.all_committed)
    async with counting_app("w2", **EXACTLY_ONCE) as second:
        await eventually(lambda: len(second.worker.rebalancer.running()) == 1)
        aborts = first.worker.rebalancer.count
        counting.put(50)
        await eventually(counting.all_committed)
        await asyncio.sleep(0.1)
        assert first.worker.rebalancer.count == aborts, "it would have to join again"
        await first.stop()
    assert counting.outputs == counting.expected_outputs


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
async def test_a_commit_inside_of_an_event_is_taken_when_the_event_is_done(lab, eventually, guarantee):
    app = lab.app(processing_guarantee=guarantee, broker_commit_interval=50)
    lab.put("in", 1, 2)
    lab.broker.create_topic("out", 1)
    seen, committed_within = [], []

    @app.agent("in")
    async def agent(stream):
        async for value in stream:
            await app.send("out", value=value)
            seen.append(value)
            if value == 2:
                await app.commit()
                committed_within.append(lab.committed("in"))

    async with app:
        await eventually(lambda: lab.committed("in") == 2)
        assert lab.values("out") == [1, 2]
        lab.put("in", 3)
        await eventually(lambda: seen == [1, 2, 3])
        await app.commit()
        assert lab.committed("in") == 3, "outside of events it is taken when the call returns"
    assert committed_within == [None]
