"""Whatever happens to the members of a group, in the end each partition has one owner, and a seed decides all."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from random import Random

import pytest

from faust_core.errors import FencedError, RetriableTransportError, TransactionAborted
from faust_core.memory import Broker, MemoryTransport
from faust_core.protocols.transport import Assignment, GroupMetadata, TransportContext
from faust_core.records import TopicPartition
from faust_core.testing.clock import ManualClock

PARTITIONS = 4
RECORDS = 120


class _Protocol:
    name = "in-turn"

    def metadata(self) -> bytes:
        return b""

    def assign(
        self, members: Mapping[str, bytes], partition_counts: Mapping[str, int], /
    ) -> Mapping[str, tuple[Collection[TopicPartition], bytes]]:
        partitions = [TopicPartition("in", i) for i in range(partition_counts["in"])]
        return {member: (partitions[i :: len(members)], b"") for i, member in enumerate(sorted(members))}


class _Copier:
    """Copies what it owns from `in` to `out` in transactions: a worker in miniature."""

    def __init__(self, broker: Broker, name: str) -> None:
        context = TransportContext(
            client_id=name, session_timeout_s=10, rebalance_timeout_s=20, request_timeout_s=5, transaction_timeout_s=15
        )
        self.transport = MemoryTransport(broker, context)
        self.membership = self.transport.membership("g", _Protocol())
        self.consumer = self.transport.consumer(name=name)
        self.producer = self.transport.transactional_producer(name)
        self.identity: GroupMetadata | None = None
        self.owned: frozenset[TopicPartition] = frozenset()
        self.must_rewind = False
        self.lock = asyncio.Lock()
        self.task = asyncio.ensure_future(self._run())

    async def on_rebalance_started(self) -> None:
        async with self.lock:
            await self._own(frozenset())

    async def on_assigned(self, assignment: Assignment, /) -> None:
        async with self.lock:
            await self._own(assignment.partitions)
            # Not what `metadata()` says by then: that may be of a later generation than these partitions.
            self.identity = assignment.metadata

    async def on_lost(self, reason: str, /) -> None:
        async with self.lock:
            await self._own(frozenset())

    async def _own(self, partitions: frozenset[TopicPartition]) -> None:
        await self.consumer.unassign(self.owned)
        self.owned, self.must_rewind = partitions, True

    async def _run(self) -> None:
        await self.membership.join(["in"], self)
        while True:
            async with self.lock:
                await self._copy()

    async def _copy(self) -> None:
        if self.must_rewind:
            try:
                committed = await self.membership.committed(self.owned)
            except RetriableTransportError:
                return
            await self.consumer.assign({tp: committed[tp] or 0 for tp in sorted(self.owned)})
            self.must_rewind = False
        batches = await self.consumer.poll(max_records=5, timeout_s=1)
        if not batches:
            return
        try:
            await self.producer.begin()
            for batch in batches:
                for value in batch.values:
                    self.producer.send("out", value, partition=batch.tp.partition)
            await self.producer.commit({batch.tp: batch.next_offset for batch in batches}, self.identity)
        except (TransactionAborted, FencedError):
            await self.producer.abort()
            self.must_rewind = True

    def kill(self) -> None:
        self.transport.kill()
        self.task.cancel()


async def _simulate(seed: int) -> list[tuple[int, int, bytes | None]]:
    """Run copiers through a schedule of faults; return what is in `out` at the end."""
    random, clock = Random(seed), ManualClock()
    broker = Broker(clock=clock, random=random)
    broker.create_topic("in", PARTITIONS)
    broker.create_topic("out", PARTITIONS)
    for i in range(RECORDS):
        broker.append("in", b"%d" % i, partition=i % PARTITIONS)
    copiers = {name: _Copier(broker, name) for name in ("a", "b", "c")}
    broker.faults.delay(0.0, 0.4)
    for _ in range(12):
        await clock.elapse(random.uniform(0.1, 6))
        name = random.choice(sorted(copiers))
        match random.randrange(6):
            case 0:
                copiers[name].kill()
                copiers[name] = _Copier(broker, name)
            case 1:
                broker.faults.cut(name)
                clock.call_later(random.uniform(1, 25), lambda name=name: broker.faults.heal(name))  # type: ignore[misc]
            case 2:
                broker.end_session(name)
            case 3:
                copiers[name].membership.rejoin()
            case 4:
                broker.faults.abort_transactions(random.randrange(3))
            case 5:
                tp = TopicPartition("out", random.randrange(PARTITIONS))
                broker.faults.lose_partition(tp)
                clock.call_later(random.uniform(1, 25), lambda tp=tp: broker.faults.restore_partition(tp))  # type: ignore[misc]
    broker.faults.clear()
    await clock.elapse(90)
    for copier in copiers.values():
        assert not copier.task.done(), copier.task
    owned = sorted(tp for copier in copiers.values() for tp in copier.owned)
    assert owned == [TopicPartition("in", i) for i in range(PARTITIONS)]
    assert broker.transactions.open_ids() == []
    for copier in copiers.values():
        copier.kill()
    await clock.settle()
    return [(record.partition, record.offset, record.value) for record in broker.records("out")]


@pytest.mark.parametrize("seed", range(40))
async def test_every_record_is_copied_exactly_once(seed: int) -> None:
    copied = await _simulate(seed)
    expected = [(i % PARTITIONS, b"%d" % i) for i in range(RECORDS)]
    assert sorted((partition, value) for partition, _, value in copied) == sorted(expected)
    for partition in range(PARTITIONS):
        in_order = [int(value or b"") for p, _, value in copied if p == partition]
        assert in_order == sorted(in_order)


async def test_the_same_seed_gives_the_same_run() -> None:
    assert await _simulate(7) == await _simulate(7)
