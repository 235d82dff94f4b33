"""Exactly once: what becomes visible, and who is fenced."""

from __future__ import annotations

import asyncio
import dataclasses
from os import environ

import pytest

from faust_core.errors import FencedError, TransactionAborted, TransportError
from faust_core.protocols.transport import Membership, Transport
from faust_core.records import RecordMetadata, TopicPartition

from .conftest import Listener, MakeTopic, ToyProtocol, unique, values

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(60)]


async def joined(transport: Transport, topic: str) -> Membership:
    listener = Listener()
    member = transport.membership(unique("group"), ToyProtocol())
    await member.join([topic], listener)
    await listener.until(lambda seen: seen.owned >= 1)
    return member


async def test_records_and_offsets_become_visible_together(transport: Transport, make_topic: MakeTopic) -> None:
    topic, output = await make_topic(), await make_topic()
    tp = TopicPartition(topic, 0)
    member = await joined(transport, topic)
    producer = transport.transactional_producer(unique("tx"))
    consumer = transport.consumer(name="test")
    await consumer.assign({TopicPartition(output, 0): 0})

    for number in range(3):
        await producer.begin()
        producer.send(output, b"%d" % number)
        await producer.flush()
        assert await consumer.poll(max_records=10, timeout_s=0.2) == []
        await producer.commit({tp: number + 1}, member.metadata())
        assert await member.committed([tp]) == {tp: number + 1}
        assert await values(consumer, 1) == [b"%d" % number]


async def test_an_aborted_transaction_is_never_seen(transport: Transport, make_topic: MakeTopic) -> None:
    topic, output = await make_topic(), await make_topic()
    member = await joined(transport, topic)
    producer = transport.transactional_producer(unique("tx"))
    await producer.abort()
    await producer.begin()
    producer.send(output, b"never")
    await producer.flush()
    await producer.abort()
    await producer.abort()
    await producer.begin()
    producer.send(output, b"seen")
    await producer.commit({TopicPartition(topic, 0): 1}, member.metadata())
    consumer = transport.consumer(name="test")
    await consumer.assign({TopicPartition(output, 0): 0})
    assert await values(consumer, 1) == [b"seen"]


async def test_the_position_moves_over_transaction_markers(transport: Transport, make_topic: MakeTopic) -> None:
    topic, output = await make_topic(), await make_topic()
    member = await joined(transport, topic)
    producer = transport.transactional_producer(unique("tx"))
    for number in range(4):
        await producer.begin()
        producer.send(output, b"%d" % number)
        if number % 2:
            await producer.flush()
            await producer.abort()
        else:
            await producer.commit({TopicPartition(topic, 0): number + 1}, member.metadata())
    tp, consumer = TopicPartition(output, 0), transport.consumer(name="test")
    end = (await transport.admin().end_offsets([tp]))[tp]
    await consumer.assign({tp: 0})
    assert consumer.position(tp) == 0
    seen = 0
    async with asyncio.timeout(15):
        while (consumer.position(tp) or 0) < end:
            seen += sum(map(len, await consumer.poll(max_records=100, timeout_s=0.2)))
    assert (seen, consumer.position(tp), end) == (2, 8, 8)


@pytest.mark.parametrize("change", [{"generation": 99}, {"member_id": "another"}], ids=["generation", "member"])
async def test_an_outdated_member_is_fenced(
    transport: Transport, make_topic: MakeTopic, change: dict[str, object]
) -> None:
    topic, output = await make_topic(), await make_topic()
    tp = TopicPartition(topic, 0)
    member = await joined(transport, topic)
    producer = transport.transactional_producer(unique("tx"))
    await producer.begin()
    producer.send(output, b"never")
    with pytest.raises(FencedError, match="generation"):
        await producer.commit({tp: 5}, dataclasses.replace(member.metadata(), **change))
    await producer.abort()
    assert await member.committed([tp]) == {tp: None}
    await producer.begin()
    producer.send(output, b"seen")
    await producer.commit({tp: 6}, member.metadata())
    assert await member.committed([tp]) == {tp: 6}


async def test_a_taken_over_transactional_id_is_fenced(transport: Transport, make_topic: MakeTopic) -> None:
    topic, output, transactional_id = await make_topic(), await make_topic(), unique("tx")
    member = await joined(transport, topic)
    producer = transport.transactional_producer(transactional_id)
    await producer.begin()
    producer.send(output, b"never")
    await producer.flush()
    await transport.admin().fence([transactional_id, unique("other")])
    with pytest.raises(FencedError):
        await producer.commit({TopicPartition(topic, 0): 5}, member.metadata())
    await producer.abort()
    with pytest.raises(FencedError):
        await producer.begin()

    successor = transport.transactional_producer(transactional_id)
    await successor.begin()
    successor.send(output, b"seen")
    await successor.commit({TopicPartition(topic, 0): 5}, member.metadata())
    consumer = transport.consumer(name="test")
    await consumer.assign({TopicPartition(output, 0): 0})
    assert await values(consumer, 1) == [b"seen"]


async def test_a_record_that_cannot_be_written_dooms_the_transaction(
    transport: Transport, make_topic: MakeTopic
) -> None:
    topic, output = await make_topic(), await make_topic(1, max_message_bytes="1000")
    member = await joined(transport, topic)
    producer = transport.transactional_producer(unique("tx"))
    for broken in (b"x" * 5_000, b"y" * 50_000):
        await producer.begin()
        producer.send(output, b"never")
        producer.send(output, broken)
        with pytest.raises(TransactionAborted):
            await producer.commit({TopicPartition(topic, 0): 5}, member.metadata())
        await producer.abort()
    await producer.begin()
    producer.send(output, b"seen")
    await producer.commit({TopicPartition(topic, 0): 5}, member.metadata())
    consumer = transport.consumer(name="test")
    await consumer.assign({TopicPartition(output, 0): 0})
    assert await values(consumer, 1) == [b"seen"]


async def test_offsets_and_member_go_together(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    member = await joined(transport, topic)
    producer = transport.transactional_producer(unique("tx"))
    with pytest.raises(TransportError, match="begin one first"):
        await producer.commit({TopicPartition(topic, 0): 5}, member.metadata())
    await producer.begin()
    with pytest.raises(ValueError, match="at least one offset"):
        await producer.commit({}, member.metadata())
    with pytest.raises(ValueError, match="member"):
        await producer.commit({TopicPartition(topic, 0): 5}, None)
    producer.send(topic, b"on its own")
    await producer.commit({}, None)


async def test_deliveries_are_reported_inside_of_transactions(transport: Transport, make_topic: MakeTopic) -> None:
    topic = await make_topic()
    member = await joined(transport, topic)
    producer = transport.transactional_producer(unique("tx"))
    reports: asyncio.Queue[RecordMetadata | None] = asyncio.Queue()
    await producer.begin()
    producer.send(topic, b"a")
    producer.send(topic, b"b", on_delivery=lambda metadata, _: reports.put_nowait(metadata))
    async with asyncio.timeout(15):
        metadata = await reports.get()
    assert metadata is not None
    assert metadata.offset == 1
    await producer.commit({TopicPartition(topic, 0): 1}, member.metadata())


async def test_committed_offsets_wait_for_a_pending_transaction(transport: Transport, make_topic: MakeTopic) -> None:
    from confluent_kafka import TopicPartition as Position

    from faust_transport_kafka import group_metadata

    topic = await make_topic()
    tp = TopicPartition(topic, 0)
    member = await joined(transport, topic)
    await member.commit({tp: 1})
    producer = transport.transactional_producer(unique("tx"))
    await producer.begin()
    inside = producer._client  # type: ignore[attr-defined]  # no public call stops between the two steps
    await asyncio.to_thread(
        inside.send_offsets_to_transaction, [Position(topic, 0, 2)], group_metadata.encode(member.metadata()), 5
    )
    reading = asyncio.create_task(member.committed([tp]))
    await asyncio.sleep(1)
    assert not reading.done()
    await producer.commit({tp: 3}, member.metadata())
    assert await reading == {tp: 3}


async def test_whoever_takes_over_right_after_a_commit_misses_nothing(
    transport: Transport, make_topic: MakeTopic
) -> None:
    """A reader that sees committed records only knows their end a moment late: the end comes from elsewhere."""
    topic, changelog = await make_topic(), await make_topic()
    source, tp = TopicPartition(topic, 0), TopicPartition(changelog, 0)
    member, admin = await joined(transport, topic), transport.admin()
    producer = transport.transactional_producer(unique("tx"))
    consumer = transport.consumer(name="successor")
    for number in range(200 if environ.get("E2E_LONG") else 40):
        await producer.begin()
        producer.send(changelog, b"%d" % number, b"key")
        await producer.commit({source: number + 1}, member.metadata())
        [end] = (await admin.end_offsets([tp])).values()
        [committed] = (await member.committed([source])).values()
        assert committed == number + 1
        assert end > 2 * number, "one record and one marker each; the last marker may be on its way"
        await consumer.assign({tp: 2 * number})
        last: list[bytes | None] = []
        while (consumer.position(tp) or 0) < end:
            last += [v for batch in await consumer.poll(max_records=10, timeout_s=1) for v in batch.values]
        assert last == [b"%d" % number]
