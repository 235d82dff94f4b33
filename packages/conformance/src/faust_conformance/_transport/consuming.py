"""Rules of `Consumer`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from time import monotonic

from faust_conformance._transport.base import (
    MakeTransport,
    TransportCapability,
    TransportRules,
    partitions_of,
)
from faust_conformance.capabilities import requires
from faust_core.protocols.transport import Admin, Consumer, Producer, Transport
from faust_core.records import RecordBatch, TopicPartition

__all__ = ["ConsumerRules"]


def _numbers(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % i for i in range(start, start + count)]


class ConsumerRules(TransportRules, capability_type=TransportCapability):
    async def test_each_partition_is_read_in_order_and_completely(
        self, consumer: Consumer, producer: Producer, topic: str
    ) -> None:
        for number in _numbers(300):
            for tp in partitions_of(topic):
                producer.send(topic, number, partition=tp.partition)
        await producer.flush()
        await consumer.assign(dict.fromkeys(partitions_of(topic), 0))
        records = await self.read(consumer, 900, max_records=70)
        by_partition = defaultdict(list)
        for record in records:
            by_partition[record.partition].append((record.offset, record.value))
        assert by_partition == {p: list(enumerate(_numbers(300))) for p in range(3)}

    async def test_a_batch_is_columns_of_one_partition(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        for tp in partitions_of(topic):
            await self.write(transport, topic, _numbers(100), tp.partition)
        await consumer.assign(dict.fromkeys(partitions_of(topic), 0))
        batches: list[RecordBatch] = []
        deadline = monotonic() + self.time_limit_s
        while sum(map(len, batches)) < 300 and monotonic() < deadline:
            polled = await consumer.poll(max_records=30, timeout_s=0.2)
            assert sum(map(len, polled)) <= 30, "more than max_records"
            batches += polled
        assert sum(map(len, batches)) == 300
        following = dict.fromkeys(partitions_of(topic), 0)
        for batch in batches:
            assert len(batch) == len(batch.values) == len(batch.keys) == len(batch.offsets) == len(batch.timestamps_ms)
            assert len(batch) > 0, "an empty batch was returned"
            assert batch.offsets[0] >= following[batch.tp], "batches overlap"
            assert list(batch.offsets) == sorted(set(batch.offsets))
            assert batch.next_offset > batch.offsets[-1]
            following[batch.tp] = batch.next_offset
            for i in range(len(batch)):
                record = batch.record(i)
                assert (record.topic, record.partition) == batch.tp
                assert (record.offset, record.value, record.key, record.timestamp_ms) == (
                    batch.offsets[i],
                    batch.values[i],
                    batch.keys[i],
                    batch.timestamps_ms[i],
                )
                assert list(batch.headers(i)) == list(record.headers)

    async def test_poll_returns_nothing_after_its_timeout(self, consumer: Consumer, topic: str) -> None:
        await consumer.assign(dict.fromkeys(partitions_of(topic), 0))
        started = monotonic()
        assert list(await consumer.poll(max_records=10, timeout_s=0.2)) == []
        assert 0.15 <= monotonic() - started < self.time_limit_s

    async def test_poll_without_partitions_waits(self, consumer: Consumer) -> None:
        assert list(await consumer.poll(max_records=10, timeout_s=0.1)) == []

    async def test_a_waiting_poll_returns_as_soon_as_there_is_a_record(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        await consumer.assign({TopicPartition(topic, 0): 0})
        await self.read_nothing(consumer)
        polling = asyncio.ensure_future(consumer.poll(max_records=10, timeout_s=self.time_limit_s))
        await asyncio.sleep(0.05)
        await self.write(transport, topic, [b"now"])
        started = monotonic()
        batches = await polling
        assert [list(batch.values) for batch in batches] == [[b"now"]]
        assert monotonic() - started < self.time_limit_s / 3

    async def test_assign_reads_from_the_given_offset(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        await self.write(transport, topic, _numbers(10))
        await consumer.assign({TopicPartition(topic, 0): 7})
        assert [record.offset for record in await self.read(consumer, 3)] == [7, 8, 9]

    async def test_assign_moves_what_is_assigned_already(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        await self.write(transport, topic, _numbers(50))
        tp = TopicPartition(topic, 0)
        await consumer.assign({tp: 0})
        assert (await self.read(consumer, 5, max_records=5))[-1].offset == 4
        await consumer.assign({tp: 30})
        assert [record.offset for record in await self.read(consumer, 20)] == list(range(30, 50))
        await consumer.assign({tp: 2})
        assert [record.offset for record in await self.read(consumer, 48)] == list(range(2, 50))

    async def test_assign_keeps_the_position_of_other_partitions(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        first, second, _ = partitions_of(topic)
        await self.write(transport, topic, _numbers(5), 0)
        await self.write(transport, topic, _numbers(5), 1)
        await consumer.assign({first: 0})
        await self.read(consumer, 5)
        await consumer.assign({second: 0})
        assert {record.partition for record in await self.read(consumer, 5)} == {1}
        await self.read_nothing(consumer)

    async def test_assign_above_the_end_reads_what_comes_next(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        await self.write(transport, topic, _numbers(3))
        tp = TopicPartition(topic, 0)
        await consumer.assign({tp: 1000})
        await self.read_nothing(consumer)
        await self.eventually(lambda: consumer.position(tp) == 3, "the position is the end of the partition")
        await self.write(transport, topic, [b"next"])
        assert [(record.offset, record.value) for record in await self.read(consumer, 1)] == [(3, b"next")]

    async def test_nothing_comes_of_a_partition_after_unassign(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        first, second, _ = partitions_of(topic)
        await self.write(transport, topic, _numbers(200), 0)
        await self.write(transport, topic, _numbers(200), 1)
        await consumer.assign({first: 0, second: 0})
        before = await self.read(consumer, 10, max_records=10)
        await consumer.unassign([first])
        rest = 200 - sum(record.partition == 1 for record in before)
        assert {record.partition for record in await self.read(consumer, rest)} == {1}
        await self.read_nothing(consumer)
        assert consumer.position(first) is None

    async def test_unassign_ignores_unknown_partitions(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        await self.write(transport, topic, [b"here"])
        await consumer.assign({TopicPartition(topic, 0): 0})
        await consumer.unassign([TopicPartition(topic, 2), TopicPartition("never-heard-of", 0)])
        assert [record.value for record in await self.read(consumer, 1)] == [b"here"]

    async def test_an_unassigned_partition_can_be_assigned_again(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        await self.write(transport, topic, _numbers(6))
        tp = TopicPartition(topic, 0)
        await consumer.assign({tp: 0})
        await self.read(consumer, 6)
        await consumer.unassign([tp])
        await consumer.assign({tp: 4})
        assert [record.offset for record in await self.read(consumer, 2)] == [4, 5]

    async def test_a_paused_partition_returns_nothing_until_it_is_resumed(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        first, second, _ = partitions_of(topic)
        await self.write(transport, topic, _numbers(100), 0)
        await consumer.assign({first: 0, second: 0})
        before = await self.read(consumer, 10, max_records=10)
        consumer.pause([first])
        consumer.pause([first])
        await self.read_nothing(consumer)
        await self.write(transport, topic, _numbers(5), 1)
        assert {record.partition for record in await self.read(consumer, 5)} == {1}
        consumer.resume([first])
        consumer.resume([first])
        after = await self.read(consumer, 90)
        assert [record.offset for record in before + after] == list(range(100))

    async def test_position_is_the_next_offset_of_poll(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        await self.write(transport, topic, _numbers(20))
        tp = TopicPartition(topic, 0)
        assert consumer.position(tp) is None
        await consumer.assign({tp: 4})
        assert consumer.position(tp) in {None, 4}
        read = await self.read(consumer, 6, max_records=6)
        assert consumer.position(tp) == read[-1].offset + 1
        await self.read(consumer, 16 - len(read))
        assert consumer.position(tp) == 20

    async def test_the_position_of_an_empty_partition_becomes_known(self, consumer: Consumer, topic: str) -> None:
        tp = TopicPartition(topic, 0)
        await consumer.assign({tp: 0})
        deadline = monotonic() + self.time_limit_s
        while consumer.position(tp) is None and monotonic() < deadline:
            await consumer.poll(max_records=10, timeout_s=0.05)
        assert consumer.position(tp) == 0

    async def test_a_cancelled_poll_loses_nothing(self, consumer: Consumer, connect: MakeTransport, topic: str) -> None:
        producer = connect(linger_s=0.0).producer()
        await consumer.assign(dict.fromkeys(partitions_of(topic), 0))
        values: dict[int, list[bytes | None]] = {0: [], 1: [], 2: []}

        async def poll(max_records: int) -> None:
            for batch in await consumer.poll(max_records=max_records, timeout_s=0.2):
                values[batch.tp.partition] += batch.values

        sent = 0
        for round_ in range(60):
            polling = asyncio.ensure_future(poll(7))
            for _ in range(10):
                producer.send(topic, b"%d" % sent, partition=sent % 3)
                sent += 1
            await asyncio.sleep(0.001 * (round_ % 5))
            polling.cancel()
            await asyncio.wait([polling])
        await producer.flush()
        deadline = monotonic() + self.time_limit_s
        while sum(map(len, values.values())) < sent and monotonic() < deadline:
            await poll(1000)
        assert values == {p: [b"%d" % i for i in range(sent) if i % 3 == p] for p in range(3)}

    async def test_consumers_do_not_disturb_each_other(self, transport: Transport, topic: str) -> None:
        await self.write(transport, topic, _numbers(10))
        first, second = transport.consumer(name="first"), transport.consumer(name="second")
        await first.assign({TopicPartition(topic, 0): 0})
        await second.assign({TopicPartition(topic, 0): 5})
        assert len(await self.read(first, 10)) == 10
        assert len(await self.read(second, 5)) == 5
        await first.aclose()
        await self.write(transport, topic, [b"more"])
        assert [record.value for record in await self.read(second, 1)] == [b"more"]

    async def test_a_busy_partition_does_not_starve_another(
        self, consumer: Consumer, transport: Transport, topic: str
    ) -> None:
        await self.write(transport, topic, _numbers(5000), 0)
        await self.write(transport, topic, _numbers(5000), 1)
        await consumer.assign({TopicPartition(topic, 0): 0, TopicPartition(topic, 1): 0})
        records = await self.read(consumer, 9000, max_records=100)
        assert {record.partition for record in records} == {0, 1}

    @requires(TransportCapability.LOSE_PARTITION)
    async def test_a_partition_without_a_leader_is_waited_for(
        self,
        consumer: Consumer,
        transport: Transport,
        topic: str,
        lose_partition: Callable[[TopicPartition], AbstractAsyncContextManager[None]],
    ) -> None:
        first, second, _ = partitions_of(topic)
        await self.write(transport, topic, _numbers(3), 0)
        await consumer.assign({first: 0, second: 0})
        async with lose_partition(first):
            await self.read_nothing(consumer)
            await self.write(transport, topic, [b"other"], 1)
            assert [record.value for record in await self.read(consumer, 1)] == [b"other"]
        assert [record.value for record in await self.read(consumer, 3)] == _numbers(3)

    @requires(TransportCapability.LOSE_PARTITION)
    async def test_flush_waits_for_a_partition_without_a_leader(
        self,
        producer: Producer,
        admin: Admin,
        topic: str,
        lose_partition: Callable[[TopicPartition], AbstractAsyncContextManager[None]],
    ) -> None:
        tp = TopicPartition(topic, 0)
        async with lose_partition(tp):
            producer.send(topic, b"patient", partition=0)
            flushing = asyncio.ensure_future(producer.flush())
            await asyncio.sleep(self.quiet_s)
            assert not flushing.done()
        await asyncio.wait_for(flushing, self.time_limit_s)
        assert await admin.end_offsets([tp]) == {tp: 1}
