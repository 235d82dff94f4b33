"""A consumer group as its coordinator sees it.

EMPTY ──join──► JOINING ──all joined, generation + 1──► ASSIGNING ──leader's plan──► STABLE
                   ▲                                        │                          │
                   └──────── join, leave, expiry, rejoin, topics changed ──────────────┘
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from typing import Protocol

from faust_core.clock import Clock, TimerHandle
from faust_core.errors import FencedError, TransportError
from faust_core.memory._signal import Signal
from faust_core.protocols.notes import NotedOffset
from faust_core.protocols.transport import Assignment, GroupMetadata
from faust_core.records import TopicPartition

__all__ = ["Assigned", "Group", "GroupClient", "Lead", "Lost", "Rebalance"]


@dataclass(frozen=True, slots=True)
class Rebalance:
    """To every member: finish what you do, then join again."""


@dataclass(frozen=True, slots=True)
class Lead:
    """To the leader: divide the work."""

    generation: int
    members: Mapping[str, bytes]
    partition_counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Assigned:
    """To every member: what is yours."""

    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Lost:
    """To a member that is none any more.

    Attributes:
        replaced: another process has its instance id: it must not join again.
    """

    member_id: str
    reason: str
    replaced: bool = False


class GroupClient(Protocol):
    """A member's own end of the line."""

    @property
    def client_id(self) -> str: ...

    @property
    def instance_id(self) -> str | None: ...

    @property
    def session_timeout_s(self) -> float: ...

    @property
    def rebalance_timeout_s(self) -> float: ...

    @property
    def protocol_name(self) -> str: ...

    def notify(self, message: Rebalance | Lead | Assigned | Lost) -> None:
        """Take a message; handled in order.  `Lost` makes those before it void."""
        ...


class _State(Enum):
    EMPTY = "empty"
    JOINING = "joining"
    ASSIGNING = "assigning"
    STABLE = "stable"


@dataclass(slots=True)
class _Member:
    client: GroupClient
    topics: frozenset[str]
    metadata: bytes
    joined: bool
    assignment: Assignment | None = None
    session: TimerHandle | None = field(default=None, repr=False)
    silent_until: float = 0.0


class Group:
    """Members, their generation, and the offsets they committed.

    Attributes:
        generation: grows by one whenever the work is divided.
        offsets: what is committed.
        writers: the transactional id under which an offset was committed, where it was one.
        notes: what stands with an offset, where something does.
        pending: offsets of transactions that are not decided yet, by transactional id.
        changed: set when `pending` shrinks.
    """

    def __init__(
        self, group_id: str, clock: Clock, partition_counts: Callable[[Iterable[str]], Mapping[str, int]]
    ) -> None:
        self.group_id = group_id
        self.generation = 0
        self.offsets: dict[TopicPartition, int] = {}
        self.writers: dict[TopicPartition, str] = {}
        self.notes: dict[TopicPartition, str] = {}
        self.pending: dict[str, dict[TopicPartition, NotedOffset]] = {}
        self.changed = Signal(clock)
        self._clock = clock
        self._partition_counts = partition_counts
        self._members: dict[str, _Member] = {}
        self._state = _State.EMPTY
        self._leader = ""
        self._rebalance_again = False
        self._deadline: TimerHandle | None = None
        self._ids = count(1)

    @property
    def client_ids(self) -> list[str]:
        return [member.client.client_id for member in self._members.values()]

    def __contains__(self, member_id: str) -> bool:
        return member_id in self._members

    # -- membership

    def join(self, client: GroupClient, member_id: str, topics: Collection[str], metadata: bytes) -> str:
        """Take a member's request to take part; an empty `member_id` is a new member.  Returns the member id.

        A new member with the instance id of a present one takes its place, and its assignment where the
        subscription is the same: the others do not notice.

        Raises:
            TransportError: the members' protocols differ.
        """
        for other_id, other in self._members.items():
            if other_id != member_id and other.client.protocol_name != client.protocol_name:
                raise TransportError(
                    f"group {self.group_id} divides its work by {other.client.protocol_name!r}, this member by "
                    f"{client.protocol_name!r}: give the members the same protocol or different groups"
                )
        wanted = frozenset(topics)
        member = self._members.get(member_id)
        if member is None:
            return self._join_new(client, wanted, metadata)
        if self._state is _State.JOINING:
            member.topics, member.metadata, member.joined = wanted, metadata, True
            self._complete_join()
        return member_id

    def _join_new(self, client: GroupClient, topics: frozenset[str], metadata: bytes) -> str:
        member_id = f"{client.client_id}-{next(self._ids)}"
        replaced = self._static_member(client.instance_id)
        if replaced is not None:
            old = self._members[replaced]
            if self._state is _State.STABLE and old.topics == topics and old.assignment is not None:
                self._replace(replaced, member_id, client, metadata)
                return member_id
            self._remove(replaced, _taken_over(client), replaced=True)
        self.rebalance()
        self._members[member_id] = _Member(client, topics, metadata, joined=True)
        self._complete_join()
        return member_id

    def _static_member(self, instance_id: str | None) -> str | None:
        if instance_id is None:
            return None
        return next((i for i, m in self._members.items() if m.client.instance_id == instance_id), None)

    def _replace(self, replaced: str, member_id: str, client: GroupClient, metadata: bytes) -> None:
        old = self._remove(replaced, _taken_over(client), replaced=True)
        if self._leader == replaced:
            self._leader = member_id
        assert old.assignment is not None
        identity = GroupMetadata(self.group_id, self.generation, member_id, client.instance_id)
        assignment = Assignment(identity, old.assignment.partitions, old.assignment.plan)
        self._members[member_id] = _Member(client, old.topics, metadata, joined=True, assignment=assignment)
        client.notify(Assigned(assignment))

    def rejoin(self, member_id: str) -> None:
        """Divide the work anew, with the metadata that the member has by then."""
        member = self._members.get(member_id)
        if member is None:
            return
        if self._state is _State.STABLE:
            self.rebalance()
        elif member.joined:
            self._rebalance_again = True

    def rebalance(self) -> None:
        """Ask every member to join again.  One that has not within its rebalance time-out is removed."""
        if self._state is _State.JOINING:
            return
        self._state = _State.JOINING
        for member in self._members.values():
            member.joined = False
            member.client.notify(Rebalance())
        self._cancel_deadline()
        if self._members:
            timeout_s = max(m.client.rebalance_timeout_s for m in self._members.values())
            self._deadline = self._clock.call_later(timeout_s, self._remove_absent)

    def topics_changed(self, topic: str) -> None:
        """Divide the work anew where a member subscribes to a topic that came, went or grew."""
        if any(topic in member.topics for member in self._members.values()):
            if self._state is _State.STABLE:
                self.rebalance()
            else:
                self._rebalance_again = True

    def leave(self, member_id: str) -> None:
        if member_id in self._members:
            self._remove(member_id, None)
            self._go_on_without()

    def expire(self, member_id: str, reason: str) -> None:
        """Remove a member as if its session had timed out."""
        if member_id in self._members:
            self._remove(member_id, reason)
            self._go_on_without()

    def silence(self, member_id: str) -> None:
        """No more heartbeats come from a member: it is removed after its session time-out."""
        member = self._members.get(member_id)
        if member is not None and member.session is None:
            timeout_s = member.client.session_timeout_s
            reason = f"no heartbeat reached group {self.group_id} for {timeout_s:g} s"
            member.session = self._clock.call_later(timeout_s, lambda: self.expire(member_id, reason))
            member.silent_until = self._clock.monotonic() + timeout_s

    def patience_s(self, member_id: str) -> float:
        """Return for how long the group would wait for a member from now on if nothing more came from it."""
        member = self._members.get(member_id)
        if member is None:
            return 0.0
        if member.session is None:
            return member.client.session_timeout_s
        return member.silent_until - self._clock.monotonic()

    def hear(self, member_id: str) -> None:
        """Heartbeats come again."""
        member = self._members.get(member_id)
        if member is not None and member.session is not None:
            member.session.cancel()
            member.session = None

    def assign(
        self, member_id: str, generation: int, shares: Mapping[str, tuple[Collection[TopicPartition], bytes]]
    ) -> None:
        """Take the leader's division of the work.  One that comes too late is ignored."""
        if self._state is not _State.ASSIGNING or generation != self.generation or member_id != self._leader:
            return
        self._state = _State.STABLE
        self._cancel_deadline()
        for each_id, member in self._members.items():
            partitions, plan = shares.get(each_id, ((), b""))
            identity = GroupMetadata(self.group_id, generation, each_id, member.client.instance_id)
            member.assignment = Assignment(identity, frozenset(partitions), plan)
            member.client.notify(Assigned(member.assignment))
        if self._rebalance_again:
            self._rebalance_again = False
            self.rebalance()

    # -- offsets

    def check(self, identity: GroupMetadata) -> None:
        """Make sure that a commit comes from a present member.

        Raises:
            FencedError: it does not.
        """
        member = self._members.get(identity.member_id)
        if member is None:
            raise FencedError(f"{identity.member_id or 'nobody'} is not a member of group {self.group_id}")
        if identity.generation != self.generation:
            raise FencedError(
                f"{identity.member_id} commits under generation {identity.generation} of group {self.group_id}, "
                f"which is at {self.generation}"
            )
        if identity.instance_id != member.client.instance_id:
            raise FencedError(
                f"{identity.member_id} in group {self.group_id} has instance id {member.client.instance_id!r}, "
                f"not {identity.instance_id!r}"
            )

    def commit(self, identity: GroupMetadata, offsets: Mapping[TopicPartition, NotedOffset]) -> None:
        """Store next-to-read offsets and their notes.

        Raises:
            FencedError: the member or its generation is out of date.
        """
        self.check(identity)
        self._store(offsets)
        for tp in offsets:
            self.writers.pop(tp, None)

    def committed(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, NotedOffset | None]:
        """Return what is committed, None where nothing is."""
        known = self.offsets
        return {tp: NotedOffset(known[tp], self.notes.get(tp, "")) if tp in known else None for tp in partitions}

    def settle(self, transactional_id: str, *, commit: bool) -> None:
        """Decide the pending offsets of a transaction."""
        offsets = self.pending.pop(transactional_id, None)
        if offsets is not None:
            if commit:
                self._store(offsets)
                self.writers.update(dict.fromkeys(offsets, transactional_id))
            self.changed.set()

    def _store(self, offsets: Mapping[TopicPartition, NotedOffset]) -> None:
        for tp, (offset, note) in offsets.items():
            self.offsets[tp] = offset
            self.notes[tp] = note

    def is_pending(self, partitions: Collection[TopicPartition]) -> bool:
        return any(tp in offsets for offsets in self.pending.values() for tp in partitions)

    # -- inside

    def _complete_join(self) -> None:
        if self._state is not _State.JOINING or not all(m.joined for m in self._members.values()):
            return
        self.generation += 1
        if self._leader not in self._members:
            self._leader = next(iter(self._members))
        self._state = _State.ASSIGNING
        topics = sorted({topic for member in self._members.values() for topic in member.topics})
        metadata = {member_id: member.metadata for member_id, member in self._members.items()}
        leader = self._members[self._leader].client
        leader.notify(Lead(self.generation, metadata, self._partition_counts(topics)))

    def _remove(self, member_id: str, reason: str | None, *, replaced: bool = False) -> _Member:
        member = self._members.pop(member_id)
        if member.session is not None:
            member.session.cancel()
        if reason is not None:
            member.client.notify(Lost(member_id, reason, replaced))
        return member

    def _go_on_without(self) -> None:
        if not self._members:
            self._state = _State.EMPTY
            self._rebalance_again = False
            self._cancel_deadline()
        elif self._state is _State.JOINING:
            self._complete_join()
        else:
            self.rebalance()

    def _remove_absent(self) -> None:
        for member_id in [i for i, m in self._members.items() if not m.joined]:
            self._remove(member_id, f"did not join the rebalance of group {self.group_id} in time")
        self._go_on_without()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _taken_over(client: GroupClient) -> str:
    return f"instance id {client.instance_id!r} was taken over by {client.client_id}"
