"""Rules of `TransactionalProducer`; all of them need `TransportCapability.TRANSACTIONS`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from faust_conformance._transport.base import MakeTransport, TransportCapability, partitions_of
from faust_conformance._transport.groups import GroupRules, Member
from faust_conformance.capabilities import requires
from faust_core.errors import FencedError, TransactionAborted, TransportError
from faust_core.protocols.transport import Admin, Consumer, Transport
from faust_core.records import TopicPartition

__all__ = ["TransactionRules"]

_transactional = requires(TransportCapability.TRANSACTIONS)


class TransactionRules(GroupRules, capability_type=TransportCapability):
    @pytest.fixture
    def transactional_id(self, topic_prefix: str) -> str:
        return f"{topic_prefix}-transactions"

    async def _read_all(self, consumer: Consumer, admin: Admin, topic: str) -> list[bytes | None]:
        """Read until the positions are at the ends, from the beginning."""
        partitions = partitions_of(topic)
        await consumer.assign(dict.fromkeys(partitions, 0))
        return [record.value for record in await self.reach(consumer, dict(await admin.end_offsets(partitions)))]

    @_transactional
    async def test_records_are_invisible_before_the_commit_and_visible_after_it(
        self, transport: Transport, consumer: Consumer, member: Member, topic: str, transactional_id: str
    ) -> None:
        await consumer.assign(dict.fromkeys(partitions_of(topic), 0))
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        for tp in partitions_of(topic):
            producer.send(topic, b"value", partition=tp.partition)
        await producer.flush()
        await self.read_nothing(consumer)
        await producer.commit({TopicPartition(topic, 0): 1}, member.membership.metadata())
        assert sorted(record.partition for record in await self.read(consumer, 3)) == [0, 1, 2]

    @_transactional
    async def test_offsets_are_committed_with_the_records(
        self, transport: Transport, member: Member, topic: str, transactional_id: str
    ) -> None:
        # A consumer group's reader must never see an old offset after a commit: it would read records twice.
        first, second, _ = partitions_of(topic)
        producer = transport.transactional_producer(transactional_id)
        for i in range(1, 11):
            await producer.begin()
            producer.send(topic, b"%d" % i, partition=2)
            await producer.commit({first: i, second: 2 * i}, member.membership.metadata())
            assert await member.membership.committed([first, second]) == {first: i, second: 2 * i}

    @_transactional
    async def test_the_transactional_id_stands_with_the_offsets_that_it_committed(
        self, transport: Transport, admin: Admin, member: Member, topic: str, transactional_id: str
    ) -> None:
        # Where all workers died together, it is how their successors know whose transactions may be open.
        first, second, third = partitions_of(topic)
        group_id = member.membership.metadata().group_id
        assert await admin.committed_by(group_id, [first, second]) == {}
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        await producer.commit({first: 1, second: 1}, member.membership.metadata())
        await producer.begin()
        await producer.commit({first: 2}, member.membership.metadata())
        await member.membership.commit({second: 2})
        await member.membership.committed([first, second])
        assert await admin.committed_by(group_id, [first, second, third]) == {first: transactional_id}
        assert await admin.committed_by(f"{group_id}-unheard-of", [first]) == {}
        assert await admin.committed_by(group_id, []) == {}

    @_transactional
    async def test_a_commit_without_records_commits_offsets(
        self, transport: Transport, member: Member, topic: str, transactional_id: str
    ) -> None:
        tp = TopicPartition(topic, 0)
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        await producer.commit({tp: 5}, member.membership.metadata())
        assert await member.membership.committed([tp]) == {tp: 5}

    @_transactional
    async def test_a_commit_without_member_and_offsets_commits_records(
        self, transport: Transport, consumer: Consumer, admin: Admin, topic: str, transactional_id: str
    ) -> None:
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        producer.send(topic, b"of its own accord", partition=0)
        await producer.commit({}, None)
        assert await self._read_all(consumer, admin, topic) == [b"of its own accord"]

    @_transactional
    async def test_offsets_and_member_come_together_or_not_at_all(
        self, transport: Transport, consumer: Consumer, admin: Admin, member: Member, topic: str, transactional_id: str
    ) -> None:
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        producer.send(topic, b"never", partition=0)
        with pytest.raises(ValueError):  # noqa: PT011 -- the text is the transport's own
            await producer.commit({}, member.membership.metadata())
        with pytest.raises(ValueError):  # noqa: PT011 -- the text is the transport's own
            await producer.commit({TopicPartition(topic, 0): 1}, None)
        await producer.abort()
        assert await self._read_all(consumer, admin, topic) == []

    @_transactional
    async def test_aborted_records_are_never_seen(
        self, transport: Transport, consumer: Consumer, admin: Admin, member: Member, topic: str, transactional_id: str
    ) -> None:
        producer = transport.transactional_producer(transactional_id)
        for i in range(6):
            await producer.begin()
            for j in range(20):
                producer.send(topic, b"%d %d" % (i, j), partition=0)
            await producer.flush()
            if i % 2:
                await producer.commit({TopicPartition(topic, 1): i}, member.membership.metadata())
            else:
                await producer.abort()
        assert await self._read_all(consumer, admin, topic) == [b"%d %d" % (i, j) for i in (1, 3, 5) for j in range(20)]

    @_transactional
    async def test_the_position_reaches_the_end_behind_an_aborted_transaction(
        self, transport: Transport, consumer: Consumer, admin: Admin, topic: str, transactional_id: str
    ) -> None:
        # A restore is done when position ≥ end offset; it would hang if markers and aborted records counted.
        tp = TopicPartition(topic, 0)
        await self.write(transport, topic, [b"plain"])
        await consumer.assign({tp: 0})
        producer = transport.transactional_producer(transactional_id)
        seen: list[bytes | None] = []
        for _ in range(2):  # the second time the consumer has read all that there was before
            await producer.begin()
            producer.send(topic, b"aborted", partition=0)
            await producer.flush()
            await producer.abort()
            [end] = (await admin.end_offsets([tp])).values()
            seen += [record.value for record in await self.reach(consumer, {tp: end})]
            assert (consumer.position(tp) or 0) >= end  # above it where the marker came after the question
        assert seen == [b"plain"]

    @_transactional
    async def test_abort_drops_the_offsets(
        self, transport: Transport, member: Member, topic: str, transactional_id: str
    ) -> None:
        tp = TopicPartition(topic, 0)
        await member.membership.commit({tp: 1})
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        producer.send(topic, b"aborted", partition=0)
        await producer.abort()
        assert await member.membership.committed([tp]) == {tp: 1}

    @_transactional
    async def test_abort_is_idempotent_and_begin_works_after_it(
        self, transport: Transport, consumer: Consumer, admin: Admin, topic: str, transactional_id: str
    ) -> None:
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        producer.send(topic, b"aborted", partition=0)
        await producer.abort()
        await producer.abort()
        await producer.begin()
        producer.send(topic, b"committed", partition=0)
        await producer.commit({}, None)
        assert await self._read_all(consumer, admin, topic) == [b"committed"]

    @_transactional
    async def test_end_offsets_count_open_transactions(
        self, transport: Transport, consumer: Consumer, admin: Admin, topic: str, transactional_id: str
    ) -> None:
        tp = TopicPartition(topic, 0)
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        producer.send(topic, b"open", partition=0)
        await producer.flush()
        assert await admin.end_offsets([tp]) == {tp: 1}
        await consumer.assign({tp: 0})
        await self.read_nothing(consumer)
        assert consumer.position(tp) in {None, 0}
        await producer.abort()

    @_transactional
    async def test_a_member_of_an_old_generation_is_fenced(
        self, transport: Transport, consumer: Consumer, admin: Admin, member: Member, topic: str, transactional_id: str
    ) -> None:
        tp = TopicPartition(topic, 0)
        outdated = member.membership.metadata()
        member.membership.rejoin()
        await self.eventually(lambda: member.generation > outdated.generation, "a new generation")
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        producer.send(topic, b"never", partition=0)
        with pytest.raises(FencedError):
            await producer.commit({tp: 9}, outdated)
        await producer.abort()
        assert await self._read_all(consumer, admin, topic) == []
        assert await member.membership.committed([tp]) == {tp: None}

    @_transactional
    async def test_a_stranger_to_the_group_is_fenced(
        self, transport: Transport, consumer: Consumer, admin: Admin, member: Member, topic: str, transactional_id: str
    ) -> None:
        stranger = replace(member.membership.metadata(), member_id="nobody")
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        producer.send(topic, b"never", partition=0)
        with pytest.raises(FencedError):
            await producer.commit({TopicPartition(topic, 0): 9}, stranger)
        await producer.abort()
        assert await self._read_all(consumer, admin, topic) == []

    @_transactional
    async def test_a_successor_ends_what_was_left_open_and_fences_it(
        self,
        connect: MakeTransport,
        transport: Transport,
        consumer: Consumer,
        admin: Admin,
        member: Member,
        topic: str,
        transactional_id: str,
    ) -> None:
        old = connect().transactional_producer(transactional_id)
        await old.begin()
        old.send(topic, b"left open", partition=0)
        await old.flush()
        await self.write(transport, topic, [b"behind it"])
        new = transport.transactional_producer(transactional_id)
        await new.begin()
        assert await self._read_all(consumer, admin, topic) == [b"behind it"]
        with pytest.raises(FencedError):
            await old.commit({TopicPartition(topic, 0): 1}, member.membership.metadata())
        new.send(topic, b"of the successor", partition=0)
        await new.commit({TopicPartition(topic, 0): 2}, member.membership.metadata())
        assert await self._read_all(consumer, admin, topic) == [b"behind it", b"of the successor"]

    @_transactional
    async def test_fence_ends_what_is_open_and_refuses_its_producer(
        self,
        connect: MakeTransport,
        consumer: Consumer,
        admin: Admin,
        member: Member,
        topic: str,
        transactional_id: str,
    ) -> None:
        producer = connect().transactional_producer(transactional_id)
        await producer.begin()
        producer.send(topic, b"left open", partition=0)
        await producer.flush()
        await admin.fence([transactional_id, f"{transactional_id}-unheard-of"])
        assert await self._read_all(consumer, admin, topic) == []
        with pytest.raises(FencedError):
            await producer.commit({TopicPartition(topic, 0): 1}, member.membership.metadata())

    @_transactional
    async def test_a_record_that_cannot_be_written_aborts_the_transaction(
        self, transport: Transport, consumer: Consumer, admin: Admin, topic: str, transactional_id: str
    ) -> None:
        producer = transport.transactional_producer(transactional_id)
        await producer.begin()
        producer.send(topic, b"good", partition=0)
        try:
            producer.send(topic, b"no such partition", partition=1000)
        except TransportError:
            pytest.skip("the transport refuses an unknown partition at once")
        with pytest.raises(TransactionAborted):
            await producer.commit({}, None)
        await producer.abort()
        assert await self._read_all(consumer, admin, topic) == []
