"""Writing: order, failures, reports, a full queue."""

from __future__ import annotations

import asyncio

import pytest
from confluent_kafka import murmur2

from faust_core.errors import BufferFull, RecordTooLarge, TopicMissing, TransportError
from faust_core.protocols.transport import Transport
from faust_core.records import RecordMetadata, TopicPartition

from .conftest import MakeTopic, MakeTransport, read, values

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(60),
    pytest.mark.parametrize("scheme", ["kafka", "aiokafka"], indirect=True),
]


async def test_the_order_of_one_partition_is_kept(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    producer, consumer = transport.producer(), transport.consumer(name="test")
    for number in range(5_000):
        producer.send(topic, b"%d" % number)
    await producer.flush()
    await consumer.assign({TopicPartition(topic, 0): 0})
    assert await values(consumer, 5_000) == [b"%d" % number for number in range(5_000)]


async def test_keys_choose_the_partition_as_the_java_client_does(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic(5)
    producer, consumer = transport.producer(), transport.consumer(name="test")
    keys = [b"key-%d" % number for number in range(100)]
    for key in keys:
        producer.send(topic, b"", key)
    await producer.flush()
    await consumer.assign({TopicPartition(topic, p): 0 for p in range(5)})
    for batch in await read(consumer, 100):
        assert {murmur2(key or b"", 5) for key in batch.keys} == {batch.tp.partition}


async def test_flush_reports_the_first_failed_record_once(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic(1, max_message_bytes="1000")
    producer = transport.producer()
    producer.send(topic, b"fits")
    producer.send(topic, b"x" * 5_000)
    with pytest.raises(RecordTooLarge, match=topic):
        await producer.flush()
    await producer.flush()


async def test_a_partition_that_does_not_exist_is_reported(transport: Transport, make_topic: MakeTopic) -> None:
    topic, producer = await make_topic(), transport.producer()
    producer.send(topic, b"makes the topic known")
    await producer.flush()

    async def write() -> None:
        producer.send(topic, b"", None, 9)
        await producer.flush()

    with pytest.raises(TopicMissing, match=f"{topic}/9"):
        await write()
    await producer.flush()


async def test_a_partition_that_does_not_exist_is_reported_when_the_topic_becomes_known(
    transport: Transport, make_topic: MakeTopic
) -> None:
    topic, producer = await make_topic(), transport.producer()
    producer.send(topic, b"", None, 9)
    with pytest.raises(TopicMissing, match=f"{topic}/9"):
        await producer.flush()


async def test_a_record_over_the_clients_limit_is_refused(make_transport: MakeTransport, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    producer = make_transport(max_request_bytes=2_000).producer()
    with pytest.raises(RecordTooLarge, match=f"3000 bytes to {topic}"):
        producer.send(topic, b"x" * 3_000)
    await producer.flush()


async def test_reports_of_deliveries_and_failures_come_on_the_event_loop(
    transport: Transport, make_topic: MakeTopic
) -> None:
    topic = await make_topic(1, max_message_bytes="1000")
    producer = transport.producer()
    reports: asyncio.Queue[tuple[RecordMetadata | None, Exception | None]] = asyncio.Queue()

    def report(metadata: RecordMetadata | None, error: Exception | None) -> None:
        asyncio.get_running_loop()
        reports.put_nowait((metadata, error))

    producer.send(topic, b"a", timestamp_ms=77, on_delivery=report)
    async with asyncio.timeout(15):
        assert await reports.get() == (RecordMetadata(topic, 0, 0, 77), None)
    producer.send(topic, b"x" * 5_000, on_delivery=report)
    async with asyncio.timeout(15):
        metadata, error = await reports.get()
    assert metadata is None
    assert isinstance(error, RecordTooLarge)
    with pytest.raises(RecordTooLarge):
        await producer.flush()


async def test_asking_for_a_report_in_the_middle_keeps_the_order(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    producer, consumer = transport.producer(), transport.consumer(name="test")
    reports: list[RecordMetadata | None] = []
    for number in range(1_000):
        producer.send(topic, b"%d" % number)
    while True:
        try:
            producer.send(topic, b"1000", on_delivery=lambda metadata, _: reports.append(metadata))
            break
        except BufferFull:
            await producer.drain()
    for number in range(1_001, 1_100):
        producer.send(topic, b"%d" % number)
    await producer.flush()
    await asyncio.sleep(0)
    assert [found and found.offset for found in reports] == [1000]
    await consumer.assign({TopicPartition(topic, 0): 0})
    assert await values(consumer, 1_100) == [b"%d" % number for number in range(1_100)]


async def test_a_full_queue_says_so_and_drain_waits_for_room(
    make_transport: MakeTransport, make_topic: MakeTopic
) -> None:
    topic = await make_topic()
    transport = make_transport("kafka", producer_options={"queue.buffering.max.messages": 500}, linger_s=0.05)
    producer = transport.producer()
    full = sent = 0
    while sent < 5_000:
        try:
            producer.send(topic, b"%d" % sent)
            sent += 1
        except BufferFull:
            full += 1
            await producer.drain()
    await producer.flush()
    assert full
    consumer = transport.consumer(name="test")
    await consumer.assign({TopicPartition(topic, 0): 0})
    assert await values(consumer, 5_000) == [b"%d" % number for number in range(5_000)]


async def test_a_closed_producer_refuses_records(transport: Transport, make_topic: MakeTopic) -> None:
    producer = transport.producer()
    producer.send(await make_topic(), b"sent on closing")
    await producer.aclose()
    await producer.aclose()
    with pytest.raises(TransportError, match="closed"):
        producer.send("topic", b"")
    with pytest.raises(TransportError, match="closed"):
        await producer.flush()


async def test_a_record_without_key_and_value_is_written(make_transport: MakeTransport, make_topic: MakeTopic) -> None:
    topic, transport = await make_topic(), make_transport("kafka")
    producer, consumer = transport.producer(), transport.consumer(name="test")
    producer.send(topic, None)
    await producer.flush()
    await consumer.assign({TopicPartition(topic, 0): 0})
    assert await values(consumer, 1) == [None]
