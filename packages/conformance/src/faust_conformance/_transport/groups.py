"""Rules of `Membership` and `RebalanceListener`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Mapping

import pytest
import pytest_asyncio

from faust_conformance._transport.base import (
    PARTITIONS,
    MakeTransport,
    TransportCapability,
    TransportRules,
    partitions_of,
)
from faust_conformance.capabilities import requires
from faust_core.errors import FencedError, RetriableTransportError
from faust_core.protocols.transport import (
    Admin,
    Assignment,
    GroupProtocol,
    Membership,
    RebalanceListener,
    TopicSpec,
    Transport,
)
from faust_core.records import TopicPartition

__all__ = ["GroupRules", "Member"]


class EvenShares:
    """Deals the partitions out in turn; each plan tells what all the members said and what the leader knew."""

    name = "faust-kit"

    def __init__(self, label: str) -> None:
        self.label = label

    def metadata(self) -> bytes:
        return self.label.encode()

    def assign(
        self, members: Mapping[str, bytes], partition_counts: Mapping[str, int], /
    ) -> Mapping[str, tuple[Collection[TopicPartition], bytes]]:
        order = sorted(members, key=lambda member_id: (members[member_id], member_id))
        partitions = [TopicPartition(t, i) for t in sorted(partition_counts) for i in range(partition_counts[t])]
        known = {"labels": [members[m].decode() for m in order], "counts": dict(partition_counts)}
        return {
            member_id: (partitions[i :: len(order)], json.dumps({"you": members[member_id].decode(), **known}).encode())
            for i, member_id in enumerate(order)
        }


class Member:
    """A listener that remembers what it was told, together with its membership."""

    def __init__(self, transport: Transport, group_id: str, label: str) -> None:
        self.protocol: GroupProtocol = EvenShares(label)
        self.membership: Membership = transport.membership(group_id, self.protocol)
        self.events: list[str] = []
        self.assignments: list[Assignment] = []
        self.during_rebalance: Callable[[], Awaitable[None]] | None = None
        self.overlapped = False
        self._inside = False

    @property
    def partitions(self) -> frozenset[TopicPartition] | None:
        """What it has; None while it has no valid assignment."""
        return self.assignments[-1].partitions if self.events and self.events[-1] == "assigned" else None

    @property
    def generation(self) -> int:
        return self.assignments[-1].metadata.generation if self.assignments else -1

    async def on_rebalance_started(self) -> None:
        self._enter("started")
        if self.during_rebalance is not None:
            await self.during_rebalance()
        self._inside = False

    async def on_assigned(self, assignment: Assignment, /) -> None:
        self._enter("assigned")
        self.assignments.append(assignment)
        self._inside = False

    async def on_lost(self, reason: str, /) -> None:
        assert isinstance(reason, str)
        self._enter("lost")
        self._inside = False

    def _enter(self, event: str) -> None:
        self.overlapped |= self._inside
        self._inside = True
        self.events.append(event)


_listener: type[RebalanceListener] = Member


class GroupRules(TransportRules, capability_type=TransportCapability):
    @pytest.fixture
    def group_id(self, topic_prefix: str) -> str:
        return f"{topic_prefix}-group"

    @pytest_asyncio.fixture
    async def member(self, transport: Transport, group_id: str, topic: str) -> Member:
        """The only member of a settled group."""
        member = Member(transport, group_id, "first")
        await member.membership.join([topic], member)
        await self._settled([member], topic)
        return member

    async def _settled(self, members: list[Member], topic: str, count: int = PARTITIONS) -> None:
        """Wait until the members have shared out all partitions in one generation."""

        def shared_out() -> bool:
            shares = [member.partitions for member in members]
            owned = [tp for share in shares if share is not None for tp in share]
            return (
                None not in shares
                and sorted(owned) == partitions_of(topic, count)
                and len({member.generation for member in members}) == 1
            )

        await self.eventually(shared_out, "the group settles")
        assert not any(member.overlapped for member in members), "a listener was called while a call was under way"

    async def test_a_lone_member_gets_all_partitions(self, member: Member, group_id: str, topic: str) -> None:
        assignment = member.assignments[-1]
        assert assignment.partitions == frozenset(partitions_of(topic))
        assert assignment.metadata == member.membership.metadata()
        assert assignment.metadata.group_id == group_id
        assert assignment.metadata.member_id
        assert assignment.metadata.generation >= 0

    @requires(TransportCapability.GROUP_PLANS)
    async def test_the_leader_divides_the_work_by_what_all_members_say(
        self, member: Member, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        second = Member(connect(), group_id, "second")
        await second.membership.join([topic], second)
        await self._settled([member, second], topic)
        known = {"labels": ["first", "second"], "counts": {topic: PARTITIONS}}
        plans = [json.loads(each.assignments[-1].plan or b"null") for each in (member, second)]
        assert plans == [{"you": "first", **known}, {"you": "second", **known}]
        assert [len(each.partitions or ()) for each in (member, second)] == [2, 1]

    async def test_partitions_are_shared_with_a_member_that_joins(
        self, member: Member, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        generation = member.generation
        second = Member(connect(), group_id, "second")
        await second.membership.join([topic], second)
        await self._settled([member, second], topic)
        assert member.partitions
        assert second.partitions
        assert member.generation > generation
        assert member.events[-2:] == ["started", "assigned"]
        assert second.events[-1] == "assigned"

    async def test_a_member_without_partitions_is_told_so(
        self, member: Member, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        others = [Member(connect(), group_id, f"other {i}") for i in range(PARTITIONS)]
        for other in others:
            await other.membership.join([topic], other)
        await self._settled([member, *others], topic)
        assert sorted(len(each.partitions or ()) for each in (member, *others)) == [0, 1, 1, 1]

    async def test_the_others_take_over_from_a_member_that_leaves(
        self, member: Member, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        second = Member(connect(), group_id, "second")
        await second.membership.join([topic], second)
        await self._settled([member, second], topic)
        await second.membership.leave()
        await second.membership.leave()
        await self._settled([member], topic)
        told = list(second.events)
        assert member.partitions == frozenset(partitions_of(topic))
        assert second.events == told, "a listener was called after leave"

    async def test_rejoin_divides_the_work_anew(self, member: Member, topic: str) -> None:
        generation = member.generation
        assert member.events[-1] == "assigned"
        member.membership.rejoin()
        await self.eventually(lambda: member.generation > generation, "a new generation")
        await self._settled([member], topic)
        assert member.events[-2:] == ["started", "assigned"]

    @requires(TransportCapability.CREATE_TOPICS)
    async def test_a_second_join_changes_the_subscription(self, member: Member, admin: Admin, topic: str) -> None:
        other = f"{topic}-other"
        await admin.create_topics([TopicSpec(other, 2)])
        await member.membership.join([topic, other], member)
        everything = frozenset([*partitions_of(topic), *partitions_of(other, 2)])
        await self.eventually(lambda: member.partitions == everything, "it has both topics")
        await member.membership.join([other], member)
        await self.eventually(lambda: member.partitions == frozenset(partitions_of(other, 2)), "it has the other only")
        assert not member.overlapped
        await member.membership.leave()
        await admin.delete_topics([other])

    async def test_committed_offsets_are_returned(self, member: Member, topic: str) -> None:
        first, second, _ = partitions_of(topic)
        assert await member.membership.committed([first, second]) == {first: None, second: None}
        await member.membership.commit({first: 0, second: 7})
        assert await member.membership.committed([first, second]) == {first: 0, second: 7}
        await member.membership.commit({first: 5})
        assert await member.membership.committed([first, second]) == {first: 5, second: 7}
        await member.membership.commit({second: 3})
        assert await member.membership.committed([second]) == {second: 3}

    async def test_a_successor_reads_what_was_committed(
        self, member: Member, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        offsets = {tp: 10 + tp.partition for tp in partitions_of(topic)}
        await member.membership.commit(offsets)
        await member.membership.leave()
        successor = Member(connect(), group_id, "successor")
        await successor.membership.join([topic], successor)
        await self._settled([successor], topic)
        assert await successor.membership.committed(list(offsets)) == offsets

    async def test_commits_count_until_on_rebalance_started_returns(
        self, member: Member, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        tp = TopicPartition(topic, 0)
        failures: list[Exception] = []

        async def commit() -> None:
            try:
                await member.membership.commit({tp: 42})
            except Exception as error:  # noqa: BLE001 -- whatever it is, the assertion below shows it
                failures.append(error)

        member.during_rebalance = commit
        second = Member(connect(), group_id, "second")
        await second.membership.join([topic], second)
        await self._settled([member, second], topic)
        assert failures == []
        assert await second.membership.committed([tp]) == {tp: 42}

    async def test_who_has_left_cannot_commit(self, member: Member, topic: str) -> None:
        await member.membership.leave()
        with pytest.raises(FencedError):
            await member.membership.commit({TopicPartition(topic, 0): 1})

    @requires(TransportCapability.CRASH)
    async def test_the_others_take_over_from_a_member_that_crashed(
        self, connect: MakeTransport, crash: Callable[[Transport], None], group_id: str, topic: str
    ) -> None:
        doomed_transport = connect(session_timeout_s=self.session_timeout_s)
        doomed = Member(doomed_transport, group_id, "doomed")
        survivor = Member(connect(session_timeout_s=self.session_timeout_s), group_id, "survivor")
        await survivor.membership.join([topic], survivor)
        await doomed.membership.join([topic], doomed)
        await self._settled([survivor, doomed], topic)
        crash(doomed_transport)
        await self._settled([survivor], topic)

    @requires(TransportCapability.STATIC_MEMBERSHIP)
    async def test_a_new_member_with_the_same_instance_id_replaces_the_old_one(
        self, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        old = Member(connect(instance_id="one"), group_id, "old")
        await old.membership.join([topic], old)
        await self._settled([old], topic)
        new = Member(connect(instance_id="one"), group_id, "new")
        await new.membership.join([topic], new)
        await self._settled([new], topic)
        assert new.membership.metadata().instance_id == "one"
        tp = TopicPartition(topic, 0)
        with pytest.raises(FencedError):
            await self._commit_until_settled(old, tp)
        await new.membership.commit({tp: 2})
        assert await new.membership.committed([tp]) == {tp: 2}

    async def _commit_until_settled(self, member: Member, tp: TopicPartition) -> None:
        """Commit, trying again for as long as the transport says that it may help."""
        for _ in range(100):
            try:
                await member.membership.commit({tp: 1})
            except RetriableTransportError:
                continue
            return

    async def test_group_members_are_the_present_ones(
        self, admin: Admin, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        assert list(await admin.group_members(group_id)) == []
        alone = Member(connect(client_id="kit-client"), group_id, "alone")
        await alone.membership.join([topic], alone)
        await self._settled([alone], topic)
        assert list(await admin.group_members(group_id)) == ["kit-client"]
        await alone.membership.leave()
        assert list(await admin.group_members(group_id)) == []

    async def test_a_deleted_group_has_forgotten_its_offsets(
        self, admin: Admin, member: Member, connect: MakeTransport, group_id: str, topic: str
    ) -> None:
        tp = TopicPartition(topic, 0)
        await member.membership.commit({tp: 3})
        await member.membership.leave()
        await admin.delete_group(group_id)
        await admin.delete_group(group_id)
        again = Member(connect(), group_id, "again")
        await again.membership.join([topic], again)
        await self._settled([again], topic)
        assert await again.membership.committed([tp]) == {tp: None}
