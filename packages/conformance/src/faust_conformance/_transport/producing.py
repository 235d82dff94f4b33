"""Rules of `Producer`."""

from __future__ import annotations

import random
import threading
import time

import pytest

from faust_conformance._transport.base import (
    PARTITIONS,
    MakeTransport,
    TransportCapability,
    TransportRules,
    partitions_of,
)
from faust_conformance.capabilities import requires
from faust_core.errors import BufferFull, RecordTooLarge, TransportError
from faust_core.protocols.transport import Admin, Consumer, Producer, TopicSpec, Transport
from faust_core.records import Headers, RecordMetadata, TopicPartition

__all__ = ["ProducerRules"]

#: What `org.apache.kafka.common.utils.Utils.murmur2` makes of these keys.
_MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


class ProducerRules(TransportRules, capability_type=TransportCapability):
    @pytest.mark.parametrize(
        ("key", "value"),
        [(b"key", b"value"), (None, b"value"), (b"key", None), (b"", b""), (b"\x00\xff", b"\x00" * 5000)],
        ids=["both", "no key", "tombstone", "empty", "binary"],
    )
    async def test_keys_and_values_arrive_as_they_were(
        self, consumer: Consumer, producer: Producer, topic: str, key: bytes | None, value: bytes | None
    ) -> None:
        producer.send(topic, value, key=key, partition=1)
        await producer.flush()
        await consumer.assign({TopicPartition(topic, 1): 0})
        [record] = await self.read(consumer, 1)
        assert (record.key, record.value) == (key, value)

    async def test_timestamps_arrive_as_they_were(self, consumer: Consumer, producer: Producer, topic: str) -> None:
        # In their own order and far from now: a transport must not put its own in their place.
        stamps = [1_700_000_000_123, 1_600_000_000_000, 1_700_000_000_124]
        for stamp in stamps:
            producer.send(topic, b"", partition=0, timestamp_ms=stamp)
        await producer.flush()
        await consumer.assign({TopicPartition(topic, 0): 0})
        assert [record.timestamp_ms for record in await self.read(consumer, 3)] == stamps

    async def test_without_a_timestamp_a_record_has_the_time_of_sending(
        self, consumer: Consumer, producer: Producer, topic: str
    ) -> None:
        before = time.time()
        producer.send(topic, b"now", partition=0)
        await producer.flush()
        await consumer.assign({TopicPartition(topic, 0): 0})
        [record] = await self.read(consumer, 1)
        assert before - 5 <= record.timestamp_ms / 1000 <= time.time() + 5

    @requires(TransportCapability.HEADERS)
    @pytest.mark.parametrize(
        "headers",
        [
            [("a", b"1"), ("b", b""), ("a", b"2")],
            [("nothing", None)],
            [("größe", b"\x00\xff")],
            [],
        ],
        ids=["repeated", "null", "not ASCII", "none"],
    )
    async def test_headers_arrive_in_their_order(
        self, consumer: Consumer, producer: Producer, topic: str, headers: Headers
    ) -> None:
        producer.send(topic, b"with", partition=0, headers=headers)
        producer.send(topic, b"without", partition=0)
        await producer.flush()
        await consumer.assign({TopicPartition(topic, 0): 0})
        records = await self.read(consumer, 2)
        assert [list(record.headers) for record in records] == [list(headers), []]

    async def test_a_key_goes_to_the_partition_that_kafka_s_java_client_chooses(
        self, consumer: Consumer, producer: Producer, topic: str
    ) -> None:
        for key in _MURMUR2:
            producer.send(topic, b"", key=key)
        await producer.flush()
        await consumer.assign(dict.fromkeys(partitions_of(topic), 0))
        found = {record.key: record.partition for record in await self.read(consumer, len(_MURMUR2))}
        assert found == {key: (hashed & 0x7FFFFFFF) % PARTITIONS for key, hashed in _MURMUR2.items()}

    async def test_a_partition_that_is_given_wins_over_the_key(
        self, consumer: Consumer, producer: Producer, topic: str
    ) -> None:
        for tp in partitions_of(topic):
            producer.send(topic, b"", key=b"same", partition=tp.partition)
        await producer.flush()
        await consumer.assign(dict.fromkeys(partitions_of(topic), 0))
        assert sorted(record.partition for record in await self.read(consumer, 3)) == [0, 1, 2]

    async def test_after_flush_everything_is_written(self, producer: Producer, admin: Admin, topic: str) -> None:
        for i in range(1000):
            producer.send(topic, b"%d" % i, partition=i % PARTITIONS)
        await producer.flush()
        ends = await admin.end_offsets(partitions_of(topic))
        assert ends == {TopicPartition(topic, 0): 334, TopicPartition(topic, 1): 333, TopicPartition(topic, 2): 333}

    async def test_flush_with_nothing_to_do_returns(self, producer: Producer) -> None:
        await producer.flush()
        await producer.drain()

    async def test_delivery_is_reported_once_on_the_event_loop_with_the_place(
        self, producer: Producer, topic: str
    ) -> None:
        reports: list[tuple[RecordMetadata | None, Exception | None, int]] = []

        def on_delivery(metadata: RecordMetadata | None, error: Exception | None) -> None:
            reports.append((metadata, error, threading.get_ident()))

        for i in range(3):
            producer.send(topic, b"%d" % i, partition=2, timestamp_ms=1_700_000_000_000 + i, on_delivery=on_delivery)
        assert reports == [], "reported before send returned"
        await producer.flush()
        await self.eventually(lambda: len(reports) >= 3, "every record is reported")
        expected = [RecordMetadata(topic, 2, i, 1_700_000_000_000 + i) for i in range(3)]
        assert reports == [(metadata, None, threading.get_ident()) for metadata in expected]

    async def test_a_record_over_the_client_s_limit_is_refused_at_once(
        self, connect: MakeTransport, admin: Admin, topic: str
    ) -> None:
        producer = connect(max_request_bytes=10_000).producer()
        producer.send(topic, b"before", partition=0)
        with pytest.raises(RecordTooLarge):
            producer.send(topic, random.Random(1).randbytes(20_000), partition=0)
        producer.send(topic, b"after", partition=0)
        await producer.flush()
        tp = TopicPartition(topic, 0)
        assert await admin.end_offsets([tp]) == {tp: 2}

    @requires(TransportCapability.CREATE_TOPICS)
    async def test_a_record_over_the_topic_s_limit_fails_one_flush(
        self, producer: Producer, admin: Admin, topic_prefix: str
    ) -> None:
        topic = f"{topic_prefix}-small"
        await admin.create_topics([TopicSpec(topic, 1, config={"max.message.bytes": "1000"})])
        reports: list[tuple[RecordMetadata | None, Exception | None]] = []
        producer.send(
            topic,
            random.Random(1).randbytes(5_000),
            partition=0,
            on_delivery=lambda metadata, error: reports.append((metadata, error)),
        )
        with pytest.raises(TransportError):
            await producer.flush()
        await self.eventually(lambda: reports, "the failure is reported")
        assert len(reports) == 1
        assert reports[0][0] is None
        assert isinstance(reports[0][1], TransportError)
        producer.send(topic, b"small", partition=0)
        await producer.flush()
        tp = TopicPartition(topic, 0)
        assert await admin.end_offsets([tp]) == {tp: 1}
        await admin.delete_topics([topic])

    @requires(TransportCapability.CLOGGED_PRODUCER)
    async def test_a_full_buffer_is_reported_and_drains(
        self, clogged_transport: Transport, consumer: Consumer, topic: str
    ) -> None:
        producer = clogged_transport.producer()
        queued = full = 0
        while full < 3:
            assert queued < 3000, "the buffer never filled"
            try:
                producer.send(topic, b"%d" % queued + b" " * 1000, partition=0)
            except BufferFull:
                full += 1
                await producer.drain()
            else:
                queued += 1
        await producer.flush()
        await consumer.assign({TopicPartition(topic, 0): 0})
        records = await self.read(consumer, queued)
        assert [int(record.value or b"") for record in records] == list(range(queued))

    async def test_closing_a_producer_writes_what_it_holds(self, producer: Producer, admin: Admin, topic: str) -> None:
        producer.send(topic, b"last words", partition=0)
        await producer.aclose()
        await producer.aclose()
        tp = TopicPartition(topic, 0)
        assert await admin.end_offsets([tp]) == {tp: 1}
