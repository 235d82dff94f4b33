"""Rules of notes that stand with committed offsets; all of them need `TransportCapability.NOTES`."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from faust_conformance._transport.base import MakeTransport, TransportCapability, partitions_of
from faust_conformance._transport.groups import GroupRules, Member
from faust_conformance.capabilities import requires
from faust_core.errors import FencedError, NoteRefused
from faust_core.protocols.notes import MAX_NOTE_BYTES, NotedOffset, NotingMembership, NotingProducer
from faust_core.protocols.transport import Admin, Transport
from faust_core.records import TopicPartition

__all__ = ["NoteRules"]

_noting = requires(TransportCapability.NOTES)
#: JSON, other scripts and everything that a separator might be.
TEXT = '{"Zähler é 計数":[1,2]}\n\n\tx\\ "=" '

#: More than a broker of Kafka's keeps, and less than its protocol can express.
LONG = 30_000


class NoteRules(GroupRules, capability_type=TransportCapability):
    @_noting
    async def test_a_note_is_returned_with_its_offset(self, member: Member, topic: str) -> None:
        first, second, third = partitions_of(topic)
        offsets = {first: NotedOffset(3, TEXT), second: NotedOffset(4)}
        await _noted(member).commit_noted(offsets)
        assert await _committed(member, first, second, third) == {**offsets, third: None}
        assert await member.membership.committed([first, second]) == {first: 3, second: 4}

    @_noting
    async def test_a_note_may_be_replaced_while_its_offset_stays(self, member: Member, topic: str) -> None:
        tp = TopicPartition(topic, 0)
        for note in ("one", "two", ""):
            await _noted(member).commit_noted({tp: NotedOffset(7, note)})
            assert await _committed(member, tp) == {tp: NotedOffset(7, note)}

    @_noting
    async def test_a_commit_without_a_note_leaves_none(self, member: Member, topic: str) -> None:
        # What it said was of another offset.
        tp = TopicPartition(topic, 0)
        await _noted(member).commit_noted({tp: NotedOffset(1, "note")})
        await member.membership.commit({tp: 2})
        assert await _committed(member, tp) == {tp: NotedOffset(2)}

    @_noting
    async def test_a_long_note_is_kept_whole_and_a_longer_one_refused(self, member: Member, topic: str) -> None:
        tp = TopicPartition(topic, 0)
        long = NotedOffset(1, "n" * MAX_NOTE_BYTES)
        await _noted(member).commit_noted({tp: long})
        try:
            await _noted(member).commit_noted({tp: NotedOffset(2, "n" * LONG)})
        except NoteRefused:
            assert await _committed(member, tp) == {tp: long}
        else:
            # Or kept: never cut, which nobody would notice.
            assert await _committed(member, tp) == {tp: NotedOffset(2, "n" * LONG)}

    @_noting
    async def test_a_successor_reads_the_note(
        self, member: Member, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        tp = TopicPartition(topic, 0)
        await _noted(member).commit_noted({tp: NotedOffset(5, "note")})
        await member.membership.leave()
        successor = Member(connect(), group_id, "successor")
        await successor.membership.join([topic], successor)
        await self._settled([successor], topic)
        assert await _committed(successor, tp) == {tp: NotedOffset(5, "note")}

    @_noting
    async def test_who_has_left_cannot_commit_a_note(self, member: Member, topic: str) -> None:
        await member.membership.leave()
        with pytest.raises(FencedError):
            await _noted(member).commit_noted({TopicPartition(topic, 0): NotedOffset(1, "note")})

    @_noting
    @pytest.mark.parametrize("commits", [True, False], ids=["commit", "abort"])
    async def test_a_note_belongs_to_its_transaction(
        self, transport: Transport, member: Member, topic: str, topic_prefix: str, commits: bool
    ) -> None:
        self._needs_transactions()
        tp = TopicPartition(topic, 0)
        before, after = NotedOffset(1, "before"), NotedOffset(2, "after")
        producer = transport.transactional_producer(f"{topic_prefix}-notes")
        assert isinstance(producer, NotingProducer)
        await producer.begin()
        await producer.commit_noted({tp: before}, member.membership.metadata())
        await producer.begin()
        producer.send(topic, b"value", partition=1)
        if commits:
            await producer.commit_noted({tp: after}, member.membership.metadata())
        else:
            await producer.abort()
        assert await _committed(member, tp) == {tp: after if commits else before}

    @_noting
    async def test_a_note_stands_beside_the_transactional_id(
        self, transport: Transport, admin: Admin, member: Member, topic: str, topic_prefix: str
    ) -> None:
        self._needs_transactions()
        tp = TopicPartition(topic, 0)
        transactional_id = f"{topic_prefix}-notes"
        group_id = member.membership.metadata().group_id
        producer = transport.transactional_producer(transactional_id)
        assert isinstance(producer, NotingProducer)
        for noted in (NotedOffset(1, TEXT), NotedOffset(2), NotedOffset(2, "n" * MAX_NOTE_BYTES)):
            await producer.begin()
            await producer.commit_noted({tp: noted}, member.membership.metadata())
            assert await _committed(member, tp) == {tp: noted}
            assert await admin.committed_by(group_id, [tp]) == {tp: transactional_id}
        await producer.begin()
        await producer.commit({tp: 3}, member.membership.metadata())
        assert await _committed(member, tp) == {tp: NotedOffset(3)}
        await _noted(member).commit_noted({tp: NotedOffset(4, TEXT)})
        assert await admin.committed_by(group_id, [tp]) == {}

    @_noting
    async def test_after_a_refused_note_a_transaction_can_be_aborted(
        self, transport: Transport, member: Member, topic: str, topic_prefix: str
    ) -> None:
        self._needs_transactions()
        tp = TopicPartition(topic, 0)
        producer = transport.transactional_producer(f"{topic_prefix}-notes")
        assert isinstance(producer, NotingProducer)
        await producer.begin()
        try:
            await producer.commit_noted({tp: NotedOffset(1, "n" * LONG)}, member.membership.metadata())
        except NoteRefused:
            await producer.abort()
        await producer.begin()
        await producer.commit_noted({tp: NotedOffset(2, "note")}, member.membership.metadata())
        assert await _committed(member, tp) == {tp: NotedOffset(2, "note")}

    def _needs_transactions(self) -> None:
        if TransportCapability.TRANSACTIONS not in self.capabilities:
            pytest.skip(f"{type(self).__name__} does not declare {TransportCapability.TRANSACTIONS}")


def _noted(member: Member) -> NotingMembership:
    assert isinstance(member.membership, NotingMembership)
    return member.membership


async def _committed(member: Member, *partitions: TopicPartition) -> Mapping[TopicPartition, NotedOffset | None]:
    return await _noted(member).committed_noted(partitions)
