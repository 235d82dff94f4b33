"""Every fault of the in-memory broker does what it says, and ends when it is undone."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from faust_core.errors import BufferFull, RetriableTransportError, TopicMissing, TransactionAborted, TransportError
from faust_core.memory import Broker, MemoryTransport
from faust_core.protocols.transport import TransportContext
from faust_core.records import RecordMetadata, TopicPartition
from faust_core.testing.clock import ManualClock

TP = TopicPartition("t", 0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def broker(clock: ManualClock) -> Broker:
    broker = Broker(clock=clock, random=Random(1))
    broker.create_topic("t", 2)
    return broker


@pytest.fixture
def transport(broker: Broker) -> MemoryTransport:
    return MemoryTransport(broker, TransportContext(client_id="one", max_buffered_bytes=100))


def values(broker: Broker) -> list[bytes | None]:
    return [record.value for record in broker.records("t")]


async def test_a_stopped_broker_answers_when_it_is_started_again(
    broker: Broker, transport: MemoryTransport, clock: ManualClock
) -> None:
    consumer, producer = transport.consumer(name="c"), transport.producer()
    await consumer.assign({TP: 0})
    broker.faults.stop_broker()
    producer.send("t", b"later", partition=0)
    with pytest.raises(BufferFull, match="await drain"):
        producer.send("t", b"x" * 100, partition=0)
    polling = asyncio.ensure_future(consumer.poll(max_records=10, timeout_s=1000))
    flushing = asyncio.ensure_future(producer.flush())
    checking = asyncio.ensure_future(transport.check())
    await clock.elapse(29)
    assert not polling.done()
    assert not flushing.done()
    await clock.elapse(2)
    with pytest.raises(RetriableTransportError, match="did not answer one within 30 s"):
        await checking
    broker.faults.start_broker()
    await flushing
    [batch] = await polling
    assert list(batch.values) == [b"later"]
    await transport.check()
    assert not broker.faults.active


async def test_a_cut_client_alone_is_cut(broker: Broker, transport: MemoryTransport) -> None:
    other = MemoryTransport(broker, TransportContext(client_id="other")).producer()
    producer = transport.producer()
    broker.faults.cut("one")
    producer.send("t", b"cut", partition=0)
    other.send("t", b"not cut", partition=0)
    assert values(broker) == [b"not cut"]
    broker.faults.heal("one")
    assert values(broker) == [b"not cut", b"cut"]


async def test_a_lost_partition_holds_back_its_own_records_only(broker: Broker, transport: MemoryTransport) -> None:
    producer = transport.producer()
    broker.faults.lose_partition(TP)
    for i in range(4):
        producer.send("t", b"%d" % i, partition=i % 2)
    assert values(broker) == [b"1", b"3"]
    broker.faults.restore_partition(TP)
    await producer.flush()
    assert values(broker) == [b"0", b"2", b"1", b"3"]


async def test_records_held_for_a_deleted_topic_fail(broker: Broker, transport: MemoryTransport) -> None:
    producer = transport.producer()
    reports: list[tuple[RecordMetadata | None, Exception | None]] = []
    broker.faults.lose_partition(TP)
    producer.send("t", b"", partition=0, on_delivery=lambda *report: reports.append(report))
    broker.delete_topic("t")
    broker.faults.clear()
    with pytest.raises(TopicMissing, match="was deleted"):
        await producer.flush()
    assert isinstance(reports[0][1], TopicMissing)


async def test_stalled_polls_return_nothing_for_a_while(
    broker: Broker, transport: MemoryTransport, clock: ManualClock
) -> None:
    consumer = transport.consumer(name="c")
    await consumer.assign({TP: 0})
    broker.append("t", b"value")
    broker.faults.stall_polls(5)
    assert await consumer.poll(max_records=1, timeout_s=0) == []
    polling = asyncio.ensure_future(consumer.poll(max_records=1, timeout_s=10))
    await clock.elapse(4.9)
    assert not polling.done()
    await clock.elapse(0.2)
    [batch] = await polling
    assert list(batch.values) == [b"value"]


async def test_delays_keep_the_order_and_are_drawn_from_the_given_random(clock: ManualClock) -> None:
    async def run() -> list[float]:
        clock = ManualClock()
        broker = Broker(clock=clock, random=Random(7))
        broker.create_topic("t")
        broker.faults.delay(0.1, 2.0)
        transport = MemoryTransport(broker)
        producer = transport.producer()
        arrived: list[float] = []
        for i in range(5):
            producer.send("t", b"%d" % i, on_delivery=lambda *_: arrived.append(clock.monotonic()))
        assert values(broker) == []
        flushing = asyncio.ensure_future(producer.flush())
        await clock.elapse(10)
        await flushing
        assert values(broker) == [b"0", b"1", b"2", b"3", b"4"]
        broker.faults.delay(0)
        await producer.flush()
        return arrived

    first = await run()
    assert first == sorted(first)
    assert first[0] >= 0.1
    assert await run() == first


async def test_a_clogged_producer_takes_nothing_until_it_is_unclogged(
    broker: Broker, transport: MemoryTransport
) -> None:
    producer = transport.producer()
    broker.faults.clog("one")
    with pytest.raises(BufferFull):
        producer.send("t", b"value")
    draining = asyncio.ensure_future(producer.drain())
    await asyncio.sleep(0.01)
    assert not draining.done()
    broker.faults.unclog("one")
    await draining
    producer.send("t", b"value")
    assert values(broker) == [b"value"]


async def test_the_nth_record_is_refused(broker: Broker, transport: MemoryTransport) -> None:
    producer = transport.producer()
    broker.create_topic("other")
    broker.faults.fail_send(2, topic="t")
    broker.faults.fail_send(1, topic="other", error=TransportError("mine"))
    for i in range(3):
        producer.send("t", b"%d" % i, partition=0)
    with pytest.raises(TransportError, match="refused the record"):
        await producer.flush()
    assert values(broker) == [b"0", b"2"]
    producer.send("other", b"")
    with pytest.raises(TransportError, match="mine"):
        await producer.flush()
    producer.send("other", b"")
    await producer.flush()


async def test_a_flush_fails_once(broker: Broker, transport: MemoryTransport) -> None:
    producer = transport.producer()
    broker.faults.fail_flush()
    producer.send("t", b"written all the same")
    with pytest.raises(TransportError, match="flush failed"):
        await producer.flush()
    await producer.flush()
    assert values(broker) == [b"written all the same"]


async def test_transactions_are_aborted_on_demand(broker: Broker, transport: MemoryTransport) -> None:
    producer = transport.transactional_producer("id")
    broker.faults.abort_transactions(1)
    for attempt in (b"first", b"second"):
        await producer.begin()
        producer.send("t", attempt)
        try:
            await producer.commit({}, None)
        except TransactionAborted:
            assert attempt == b"first"
            await producer.abort()
    assert values(broker) == [b"second"]


async def test_a_topic_is_refused_on_demand(broker: Broker, transport: MemoryTransport) -> None:
    broker.faults.refuse_topic("secret")
    with pytest.raises(TopicMissing, match="'secret' was not created: not authorized"):
        broker.create_topic("secret")


async def test_a_killed_transport_loses_what_it_held_and_leaves_its_transaction_open(
    broker: Broker, transport: MemoryTransport, clock: ManualClock
) -> None:
    producer, transactional = transport.producer(), transport.transactional_producer("id")
    await transactional.begin()
    transactional.send("t", b"open", partition=1)
    broker.faults.lose_partition(TP)
    producer.send("t", b"held", partition=0)
    broker.kill("one")
    transport.kill()
    broker.faults.clear()
    assert values(broker) == []
    assert broker.transactions.open_ids() == ["id"]
    with pytest.raises(TransportError, match="closed"):
        producer.send("t", b"of a ghost")
    clock.advance(61)
    assert broker.transactions.open_ids() == []


async def test_closing_gives_up_on_a_broker_that_stays_away(
    broker: Broker, transport: MemoryTransport, clock: ManualClock
) -> None:
    producer = transport.producer()
    transactional = transport.transactional_producer("id")
    await transactional.begin()
    broker.faults.stop_broker()
    producer.send("t", b"held")
    closing = asyncio.ensure_future(transport.aclose())
    await clock.elapse(89)
    assert not closing.done()
    await clock.elapse(2)
    await closing


async def test_closing_waits_for_what_is_held(broker: Broker, transport: MemoryTransport) -> None:
    producer = transport.producer()
    broker.faults.stop_broker()
    producer.send("t", b"held")
    closing = asyncio.ensure_future(producer.aclose())
    await asyncio.sleep(0.01)
    broker.faults.start_broker()
    await closing
    assert values(broker) == [b"held"]
