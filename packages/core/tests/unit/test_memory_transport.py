"""The in-memory broker: what leads to it, and what its logs do."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from faust_core.errors import ConfigError, FencedError, TopicMissing, TransactionAborted, TransportError
from faust_core.memory import Broker, MemoryTransport
from faust_core.memory.transport import create
from faust_core.protocols.transport import TopicSpec, TransportContext
from faust_core.records import TopicPartition
from faust_core.testing.clock import ManualClock

TP = TopicPartition("t", 0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def broker(clock: ManualClock) -> Broker:
    broker = Broker(clock=clock)
    broker.create_topic("t")
    return broker


@pytest.fixture
def transport(broker: Broker) -> MemoryTransport:
    return MemoryTransport(broker)


def values(broker: Broker, topic: str = "t") -> list[bytes | None]:
    return [record.value for record in broker.records(topic)]


async def read(transport: MemoryTransport, position: int = 0) -> list[bytes | None]:
    consumer = transport.consumer(name="reader")
    await consumer.assign({TP: position})
    batches = await consumer.poll(max_records=1000, timeout_s=0)
    await consumer.aclose()
    return [value for batch in batches for value in batch.values]


def test_the_same_name_leads_to_the_same_broker() -> None:
    context = TransportContext()
    first, second = create("memory://orders", context), create("memory://orders", context)
    assert first.broker is second.broker
    assert first.url == "memory://orders"
    assert create("memory://other", context).broker is not first.broker


def test_without_a_name_every_transport_has_a_broker_of_its_own() -> None:
    context = TransportContext()
    first, second = create("memory://", context), create("memory://", context)
    assert first.broker is not second.broker
    assert create(first.url, context).broker is first.broker


def test_the_url_of_a_broker_leads_to_it() -> None:
    broker = Broker()
    assert create(broker.url, TransportContext()).broker is broker
    named = Broker("mine")
    assert create("memory://mine", TransportContext()).broker is named
    named.forget_name()
    assert create("memory://mine", TransportContext()).broker is not named
    named.forget_name()


async def test_a_named_broker_is_forgotten_with_its_last_transport() -> None:
    transport = create("memory://short-lived", TransportContext())
    transport.broker.create_topic("t")
    await transport.aclose()
    del transport
    gc.collect()
    assert create("memory://short-lived", TransportContext()).broker.partition_counts() == {}


@pytest.mark.parametrize("url", ["kafka://x", "memory://x/y", "memory://x?y=1", "memory://x#y"])
def test_a_url_with_more_than_a_name_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="memory://NAME"):
        create(url, TransportContext())


async def test_a_closed_transport_makes_nothing_any_more(transport: MemoryTransport) -> None:
    consumer, producer = transport.consumer(name="c"), transport.producer()
    transactional = transport.transactional_producer("id")
    await transactional.begin()
    await transport.aclose()
    makers: list[Any] = [
        transport.admin,
        transport.producer,
        lambda: transport.consumer(name="c"),
        lambda: transport.transactional_producer("id"),
        lambda: producer.send("t", b""),
        lambda: transactional.send("t", b""),
    ]
    for make in makers:
        with pytest.raises(TransportError, match="closed"):
            make()
    with pytest.raises(TransportError, match="closed"):
        await consumer.poll(max_records=1, timeout_s=0)


async def test_compaction_keeps_the_last_record_of_each_key(broker: Broker, transport: MemoryTransport) -> None:
    for key, value in [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"c", b"4"), (b"c", None), (b"b", None)]:
        broker.append("t", value, key=key, headers=[("of", value)])
    broker.append("t", b"5", key=b"b")
    consumer = transport.consumer(name="reader")
    await consumer.assign({TP: 0})
    [before] = await consumer.poll(max_records=1, timeout_s=0)
    broker.compact("t", drop_tombstones=False)
    assert [(r.offset, r.key, r.value) for r in broker.records("t")] == [
        (2, b"a", b"3"),
        (4, b"c", None),
        (6, b"b", b"5"),
    ]
    broker.compact("t")
    [batch] = await consumer.poll(max_records=10, timeout_s=0)
    assert list(batch.offsets) == [2, 6]
    assert batch.next_offset == 7
    assert batch.headers(0) == (("of", b"3"),)
    assert batch.headers(1) == ()
    assert before.headers(0) == (("of", b"1"),), "a batch changed after it was handed out"


async def test_a_batch_s_next_offset_is_behind_the_gap_that_follows(broker: Broker, transport: MemoryTransport) -> None:
    for key in (b"a", b"b", b"b", b"c"):
        broker.append("t", b"", key=key)
    broker.compact("t")
    consumer = transport.consumer(name="reader")
    await consumer.assign({TP: 0})
    [batch] = await consumer.poll(max_records=1, timeout_s=0)
    assert (list(batch.offsets), batch.next_offset) == ([0], 2)
    assert consumer.position(TP) == 2


async def test_truncated_records_are_skipped_with_a_warning(
    broker: Broker, transport: MemoryTransport, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(10):
        broker.append("t", b"%d" % i)
    consumer = transport.consumer(name="reader")
    await consumer.assign({TP: 2})
    broker.truncate(TP, 6)
    assert consumer.position(TP) == 6
    assert (await transport.admin().start_offsets([TP])) == {TP: 6}
    [batch] = await consumer.poll(max_records=100, timeout_s=0)
    assert list(batch.offsets) == [6, 7, 8, 9]
    assert "t/0 has no offset 2 (it has 6 to 10): reading from 6" in caplog.text
    broker.truncate(TP, 1000)
    assert broker.records("t") == []
    assert broker.append("t", b"next") == 10


def test_retention_drops_what_is_older(broker: Broker, clock: ManualClock) -> None:
    broker.create_topic("short", config={"retention.ms": "10000"})
    broker.create_topic("forever", config={"retention.ms": "-1"})
    for topic in ("short", "forever"):
        broker.append(topic, b"old")
    clock.advance(8)
    broker.append("short", b"young")
    clock.advance(4)
    for topic in ("short", "forever"):
        broker.expire(topic)
    assert values(broker, "short") == [b"young"]
    assert values(broker, "forever") == [b"old"]
    clock.advance(60)
    broker.expire("short")
    assert values(broker, "short") == []


async def test_interleaved_transactions_are_read_up_to_the_first_open_one(
    broker: Broker, transport: MemoryTransport
) -> None:
    first, second = transport.transactional_producer("first"), transport.transactional_producer("second")
    await first.begin()
    await second.begin()
    for i in range(3):
        first.send("t", b"first %d" % i, headers=[("n", b"%d" % i)])
        second.send("t", b"second %d" % i)
    await second.commit({}, None)
    assert await read(transport) == []
    await first.abort()
    assert await read(transport) == [b"second 0", b"second 1", b"second 2"]
    assert broker.transactions.open_ids() == []
    assert broker.log(TP).end == 8  # type: ignore[union-attr]  # six records, two markers


async def test_a_transaction_that_takes_too_long_is_aborted(
    broker: Broker, transport: MemoryTransport, clock: ManualClock
) -> None:
    producer = transport.transactional_producer("slow")
    await producer.begin()
    clock.advance(1000)
    producer.send("t", b"too late")
    assert broker.transactions.open_ids() == ["slow"]
    clock.advance(61)
    assert broker.transactions.open_ids() == []
    with pytest.raises(TransactionAborted, match="60 s"):
        await producer.commit({}, None)
    with pytest.raises(TransactionAborted, match="abort it first"):
        await producer.commit({}, None)
    await producer.abort()
    await producer.begin()
    producer.send("t", b"in time")
    await producer.commit({}, None)
    assert values(broker) == [b"in time"]


async def test_a_transactional_producer_is_used_in_order(transport: MemoryTransport) -> None:
    producer = transport.transactional_producer("id")
    with pytest.raises(TransportError, match="begin one first"):
        producer.send("t", b"")
    await producer.abort()
    await producer.begin()
    with pytest.raises(TransportError, match="open already"):
        await producer.begin()


async def test_a_fenced_producer_may_abort_but_not_begin(broker: Broker, transport: MemoryTransport) -> None:
    producer = transport.transactional_producer("id")
    await producer.begin()
    broker.transactions.fence("id")
    producer.send("t", b"never")
    with pytest.raises(FencedError, match="taken over"):
        await producer.flush()
    await producer.abort()
    with pytest.raises(FencedError, match="taken over"):
        await producer.begin()


async def test_what_cannot_be_written_fails_the_flush_and_names_the_reason(transport: MemoryTransport) -> None:
    admin = transport.admin()
    await admin.create_topics([TopicSpec("compacted", 1, config={"cleanup.policy": "compact,delete"})])
    producer = transport.producer()
    for topic, partition, reason in [
        ("missing", None, "no topic 'missing'"),
        ("t", 7, "t has no partition 7: it has 1"),
        ("compacted", None, "its records need keys"),
    ]:
        producer.send(topic, b"value", partition=partition)
        with pytest.raises(TransportError, match=reason):
            await producer.flush()
        await producer.flush()


async def test_keyless_records_take_the_partitions_in_turn(broker: Broker, transport: MemoryTransport) -> None:
    broker.create_topic("wide", 3)
    producer = transport.producer()
    for _ in range(9):
        producer.send("wide", b"")
    await producer.flush()
    assert [log.end for log in broker.topics["wide"].logs] == [3, 3, 3]


async def test_a_consumer_follows_a_topic_that_is_deleted_and_created_again(
    broker: Broker, transport: MemoryTransport
) -> None:
    producer = transport.transactional_producer("open")
    await producer.begin()
    producer.send("t", b"gone")
    consumer = transport.consumer(name="reader")
    await consumer.assign({TP: 0})
    broker.delete_topic("t")
    assert await consumer.poll(max_records=10, timeout_s=0) == []
    assert consumer.position(TP) is None
    broker.create_topic("t")
    broker.append("t", b"new")
    [batch] = await consumer.poll(max_records=10, timeout_s=0)
    assert list(batch.values) == [b"new"]
    await producer.abort()


async def test_a_partition_that_does_not_exist_yet_is_waited_for(broker: Broker, transport: MemoryTransport) -> None:
    consumer = transport.consumer(name="reader")
    tp = TopicPartition("t", 2)
    await consumer.assign({tp: 0})
    assert consumer.position(tp) is None
    polling = asyncio.ensure_future(consumer.poll(max_records=10, timeout_s=100))
    await asyncio.sleep(0)
    broker.add_partitions("t", 3)
    broker.append("t", b"there", partition=2)
    [batch] = await polling
    assert batch.tp == tp


async def test_closing_a_consumer_ends_its_poll(transport: MemoryTransport) -> None:
    consumer = transport.consumer(name="reader")
    await consumer.assign({TP: 0})
    polling = asyncio.ensure_future(consumer.poll(max_records=10, timeout_s=100))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await consumer.aclose()
    assert await polling == []


@pytest.mark.parametrize(("name", "partitions"), [("a b", 1), ("..", 1), ("", 1), ("x" * 250, 1), ("fine", 0)])
def test_an_impossible_topic_is_refused(broker: Broker, name: str, partitions: int) -> None:
    with pytest.raises(TopicMissing, match="was not created"):
        broker.create_topic(name, partitions)


async def test_questions_about_what_does_not_exist_name_it(broker: Broker, transport: MemoryTransport) -> None:
    admin = transport.admin()
    with pytest.raises(TopicMissing, match="'nothing'"):
        await admin.topic_config("nothing")
    with pytest.raises(TopicMissing, match="nothing/3"):
        await admin.end_offsets([TopicPartition("nothing", 3)])
    with pytest.raises(TopicMissing, match="'nothing'"):
        broker.append("nothing", b"")
    await admin.aclose()


async def test_a_delivery_callback_that_fails_does_not_keep_the_others_from_being_called(
    transport: MemoryTransport, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[object] = []

    def fail(*_: object) -> None:
        raise RuntimeError("mine")

    producer = transport.producer()
    producer.send("t", b"", on_delivery=fail)
    producer.send("t", b"", on_delivery=lambda metadata, _: called.append(metadata))
    await producer.flush()
    assert called == [("t", 0, 1, 1_700_000_000_000)]
    assert "a delivery callback of faust failed" in caplog.text


async def test_a_killed_producer_reports_nothing(transport: MemoryTransport) -> None:
    called: list[object] = []
    transport.producer().send("t", b"", on_delivery=lambda *report: called.append(report))
    transport.kill()
    await asyncio.sleep(0.01)
    assert called == []
