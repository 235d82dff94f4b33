"""Reading: what `assign`, `unassign`, `pause` and `position` promise."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from faust_core.protocols.transport import Transport
from faust_core.records import TopicPartition
from tests.services.patience import PATIENCE

from .conftest import MakeTopic, MakeTransport, read, values

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(60),
    pytest.mark.parametrize("scheme", ["kafka", "aiokafka"], indirect=True),
]


async def write(transport: Transport, topic: str, count: int, partitions: int = 1, start: int = 0) -> None:
    producer = transport.producer()
    for number in range(start, start + count):
        producer.send(topic, b"%d" % number, b"k%d" % number, number % partitions)
    await producer.flush()
    await producer.aclose()


async def test_records_come_whole_and_in_order(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    tp = TopicPartition(topic, 0)
    producer = transport.producer()
    producer.send(topic, b"v", b"k", 0, 1_700_000_000_000, [("a", b"1"), ("a", None)])
    producer.send(topic, None, b"", 0)
    await producer.flush()
    consumer = transport.consumer(name="test")
    await consumer.assign({tp: 0})
    (batch,) = await read(consumer, 2)
    assert (batch.tp, batch.next_offset, list(batch.offsets)) == (tp, 2, [0, 1])
    assert (list(batch.values), list(batch.keys)) == ([b"v", None], [b"k", b""])
    assert batch.timestamps_ms[0] == 1_700_000_000_000
    assert (list(batch.headers(0)), list(batch.headers(1))) == ([("a", b"1"), ("a", None)], [])
    record = batch.record(0)
    assert (record.topic, record.offset, record.key, record.value) == (topic, 0, b"k", b"v")
    assert batch.record(1).headers == ()


async def test_batches_hold_one_partition_each(transport: Transport, make_topic: MakeTopic) -> None:
    one, two = await make_topic(3), await make_topic(2)
    await write(transport, one, 300, 3)
    await write(transport, two, 200, 2)
    consumer = transport.consumer(name="test")
    tps = [TopicPartition(one, p) for p in range(3)] + [TopicPartition(two, p) for p in range(2)]
    await consumer.assign(dict.fromkeys(tps, 0))
    seen: dict[TopicPartition, list[int]] = {tp: [] for tp in tps}
    for batch in await read(consumer, 500):
        seen[batch.tp] += batch.offsets
    assert seen == {tp: list(range(100)) for tp in tps}


async def test_a_poll_returns_at_most_as_many_records_as_asked(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    await write(transport, topic, 100)
    consumer = transport.consumer(name="test")
    await consumer.assign({TopicPartition(topic, 0): 0})
    offsets: list[int] = []
    while len(offsets) < 100:
        batches = await consumer.poll(max_records=7, timeout_s=1)
        assert sum(map(len, batches)) <= 7
        offsets += [offset for batch in batches for offset in batch.offsets]
    assert offsets == list(range(100))


async def test_a_poll_without_records_waits_for_its_time_out(transport: Transport, make_topic: MakeTopic) -> None:
    consumer = transport.consumer(name="test")
    for assigned in (False, True):
        if assigned:
            await consumer.assign({TopicPartition(await make_topic(), 0): 0})
        began = time.monotonic()
        assert await consumer.poll(max_records=10, timeout_s=0.3) == []
        assert 0.28 < time.monotonic() - began < 0.6 * PATIENCE


async def test_a_cancelled_poll_loses_nothing(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    consumer, producer = transport.consumer(name="test"), transport.producer()
    await consumer.assign({TopicPartition(topic, 0): 0})
    offsets: list[int] = []
    for number in range(200):
        producer.send(topic, b"%d" % number)
        try:
            async with asyncio.timeout(0.003 * (number % 4)):
                for batch in await consumer.poll(max_records=100, timeout_s=1):
                    offsets += batch.offsets
        except TimeoutError:
            pass
    await producer.flush()
    for batch in await read(consumer, 200 - len(offsets)):
        offsets += batch.offsets
    assert offsets == list(range(200))


async def test_assigning_again_moves_the_partition(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic(2)
    await write(transport, topic, 200, 2)
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer = transport.consumer(name="test")
    await consumer.assign({one: 0, two: 0})
    await read(consumer, 200)
    await consumer.assign({one: 90})
    assert consumer.position(one) == 90
    assert consumer.position(two) == 100
    assert [(batch.tp, list(batch.offsets)) for batch in await read(consumer, 10)] == [(one, list(range(90, 100)))]


async def test_nothing_stale_is_returned_by_a_poll_in_progress(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic(2)
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer, producer = transport.consumer(name="test"), transport.producer()
    await consumer.assign({one: 0, two: 0})
    for number in range(60):
        polling = asyncio.create_task(consumer.poll(max_records=100, timeout_s=0.1))
        producer.send(topic, b"x", None, 0)
        await asyncio.sleep(0.001 * (number % 12))
        if number % 2:
            changing = asyncio.create_task(consumer.unassign([one]))
            await asyncio.sleep(0)
            changed = not polling.done()
            batches = await polling
            if changed:
                assert all(batch.tp != one for batch in batches)
            await changing
            assert all(batch.tp != one for batch in await consumer.poll(max_records=100, timeout_s=0))
            assert consumer.position(one) is None
        else:
            await consumer.assign({one: 0})
            await producer.flush()
            start = [batch.offsets[0] for batch in await polling if batch.tp == one]
            seen = start or [b.offsets[0] for b in await consumer.poll(max_records=100, timeout_s=2) if b.tp == one]
            if changed_position := consumer.position(one):
                assert changed_position >= 1
            assert seen
    await consumer.unassign([one, two, TopicPartition(topic, 7)])


async def test_pausing_does_not_wait_for_a_poll_in_progress(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic(2)
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer, producer = transport.consumer(name="test"), transport.producer()
    await consumer.assign({one: 0, two: 0})
    polling = asyncio.create_task(consumer.poll(max_records=10, timeout_s=5))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    for _ in range(10):
        consumer.pause([one])
        consumer.resume([one])
        assert consumer.position(two) == 0
    consumer.pause([one])
    assert time.monotonic() - began < 0.1 * PATIENCE
    producer.send(topic, b"paused", None, 0)
    await producer.flush()
    await asyncio.sleep(0.3)
    assert not polling.done()
    producer.send(topic, b"open", None, 1)
    assert [list(batch.values) for batch in await polling] == [[b"open"]]
    consumer.resume([one])
    assert await values(consumer, 1) == [b"paused"]


async def test_a_paused_partition_returns_nothing_until_resumed(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic(2)
    await write(transport, topic, 2_000, 2)
    one, two = TopicPartition(topic, 0), TopicPartition(topic, 1)
    consumer = transport.consumer(name="test")
    await consumer.assign({one: 0, two: 0})
    first = await consumer.poll(max_records=10, timeout_s=5)
    seen = {one: 0, two: 0}
    for batch in first:
        seen[batch.tp] += len(batch)
    consumer.pause([one])
    consumer.pause([one])
    while seen[two] < 1_000:
        for batch in await consumer.poll(max_records=100, timeout_s=5):
            assert batch.tp == two
            seen[two] += len(batch)
    assert await consumer.poll(max_records=100, timeout_s=0.3) == []
    consumer.resume([one])
    consumer.resume([one])
    batches = await read(consumer, 1_000 - seen[one])
    assert [offset for batch in batches for offset in batch.offsets] == list(range(seen[one], 1_000))


async def test_an_offset_that_does_not_exist_is_moved_to_the_nearest(
    transport: Transport, make_topic: MakeTopic, caplog: pytest.LogCaptureFixture, kafka: str
) -> None:
    from confluent_kafka import TopicPartition as Position
    from confluent_kafka.admin import AdminClient

    topic = await make_topic()
    tp = TopicPartition(topic, 0)
    await write(transport, topic, 100)
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.delete_records([Position(topic, 0, 40)])[Position(topic, 0)].result()
    consumer = transport.consumer(name="test")
    with caplog.at_level(logging.WARNING, "faust_transport_kafka"):
        await consumer.assign({tp: 5})
        batches = await read(consumer, 60)
        assert batches[0].offsets[0] == 40
        assert f"offset 5 of {topic}/0 does not exist (it has 40 to 100)" in caplog.text
        await consumer.assign({tp: 1_000})
        assert await consumer.poll(max_records=10, timeout_s=1) == []
        assert "offset 1000 of" in caplog.text
        assert consumer.position(tp) == 100
    await write(transport, topic, 1, start=100)
    assert await values(consumer, 1) == [b"100"]


async def test_a_backlog_leaves_the_event_loop_to_others(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    await write(transport, topic, 20_000)
    consumer = transport.consumer(name="test")
    await consumer.assign({TopicPartition(topic, 0): 0})
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(count_turns())
    polls = read_count = 0
    while read_count < 20_000:
        read_count += sum(map(len, await consumer.poll(max_records=100, timeout_s=5)))
        polls += 1
    other.cancel()
    assert turns >= polls // 10  # what was fetched already is returned without a turn


async def test_closing_ends_a_poll_in_progress(make_transport: MakeTransport, make_topic: MakeTopic) -> None:
    consumer = make_transport().consumer(name="test")
    await consumer.assign({TopicPartition(await make_topic(), 0): 0})
    polling = asyncio.create_task(consumer.poll(max_records=10, timeout_s=30))
    await asyncio.sleep(0.2)
    await consumer.aclose()
    assert await polling == []
    await consumer.aclose()
