"""A message broker inside the process: topics, consumer groups and transactions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import count
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4
from weakref import WeakValueDictionary

from faust_core.clock import Clock, SystemClock
from faust_core.errors import NoteRefused, TopicMissing
from faust_core.memory.faults import Faults
from faust_core.memory.group import Group
from faust_core.memory.log import PartitionLog
from faust_core.memory.transactions import Transactions
from faust_core.protocols.notes import NotedOffset
from faust_core.records import ConsumerRecord, Headers, TopicPartition

if TYPE_CHECKING:
    from faust_core.memory.membership import MemoryMembership
    from faust_core.memory.transport import MemoryTransport

__all__ = ["Broker", "Topic"]

_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_DEFAULT_CONFIG = {"cleanup.policy": "delete", "retention.ms": "604800000"}

_brokers: WeakValueDictionary[str, Broker] = WeakValueDictionary()
_unnamed = count(1)


class Topic:
    """A topic's partitions and settings."""

    __slots__ = ("compacted", "config", "id", "logs", "max_message_bytes", "name")

    def __init__(self, name: str, topic_id: str, partitions: int, config: Mapping[str, str]) -> None:
        self.name = name
        self.id = topic_id
        self.config = {**_DEFAULT_CONFIG, **config}
        self.compacted = "compact" in self.config["cleanup.policy"]
        self.max_message_bytes = int(self.config.get("max.message.bytes", "1048588"))
        self.logs = [PartitionLog(TopicPartition(name, i)) for i in range(partitions)]


class Broker:
    """Topics, groups and transactions that last as long as this object; nothing is written anywhere.

    Records stay until their topic is deleted, or `compact`, `truncate` or `expire` is called.

    Transports with the same broker see the same records.  Everything happens on one event loop at a time, and
    nothing depends on anything but the calls made, `clock` and `random`: the same calls give the same result.

    Attributes:
        name: what `memory://NAME` finds it by, for as long as it lives.
        faults: what shall go wrong.
        topics: by name.  Not to be changed from outside.
        max_note_bytes: a longer note with an offset is refused, as by Kafka's `offset.metadata.max.bytes`.
        auto_create: how many partitions a topic gets that is written to and does not exist; 0: that is an error.
    """

    def __init__(self, name: str | None = None, *, clock: Clock | None = None, random: Random | None = None) -> None:
        """Make an empty broker.

        Args:
            name: one of an earlier broker hides that one.  Without a name it gets one that nobody else has.
            clock: for timestamps, latencies and every time-out.
            random: for the faults' random delays.
        """
        self.name = name or f"_{next(_unnamed)}"
        self.clock = clock or SystemClock()
        self.random = random or Random(0)
        self.faults = Faults(self.clock, self.random)
        self.faults.watch(self._connections_changed)
        self.topics: dict[str, Topic] = {}
        self.auto_create = 0
        self.max_note_bytes = 4096
        self.transactions = Transactions(self.clock)
        self.members: dict[MemoryMembership, None] = {}
        self.transports: dict[MemoryTransport, None] = {}
        self._groups: dict[str, Group] = {}
        _brokers[self.name] = self

    @classmethod
    def named(cls, name: str) -> Broker:
        """Return the living broker of this name, or a new one."""
        return _brokers.get(name) or cls(name)

    @property
    def url(self) -> str:
        """What leads an application to this broker."""
        return f"memory://{self.name}"

    def forget_name(self) -> None:
        """Have the name lead to a new broker from now on."""
        if _brokers.get(self.name) is self:
            del _brokers[self.name]

    # -- topics

    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic; one that exists is left as it is.

        Raises:
            TopicMissing: the name or the number of partitions is impossible, or `faults` refuse it.
        """
        if name in self.topics:
            return
        reason = self.faults.refused(name)
        if not _NAME.fullmatch(name) or name in {".", ".."}:
            reason = "a name has up to 249 letters, digits, dots, underscores and hyphens"
        elif partitions < 1:
            reason = f"a topic has at least one partition, not {partitions}"
        if reason is not None:
            raise TopicMissing(f"topic {name!r} was not created: {reason}")
        self.topics[name] = Topic(name, uuid4().hex, partitions, config or {})
        self._topic_changed(name)

    def add_partitions(self, name: str, count: int) -> None:
        """Let a topic grow to `count` partitions."""
        logs = self._topic(name).logs
        logs += [PartitionLog(TopicPartition(name, i)) for i in range(len(logs), count)]
        self._topic_changed(name)

    def delete_topic(self, name: str) -> None:
        """Delete a topic and its records; one that does not exist is no error."""
        topic = self.topics.pop(name, None)
        if topic is not None:
            for log in topic.logs:
                log.deleted = True
                self.transactions.drop(log)
            self._topic_changed(name)

    def log(self, tp: TopicPartition) -> PartitionLog | None:
        """Return a partition; None where there is none."""
        topic = self.topics.get(tp.topic)
        return topic.logs[tp.partition] if topic is not None and 0 <= tp.partition < len(topic.logs) else None

    def partition_counts(self, topics: Iterable[str] | None = None) -> dict[str, int]:
        names = self.topics if topics is None else topics
        return {name: len(self.topics[name].logs) for name in names if name in self.topics}

    # -- records, for tests and tools

    def append(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int = 0,
        timestamp_ms: int | None = None,
        headers: Headers | None = None,
    ) -> int:
        """Write a record at once, past every fault, and return its offset."""
        stamp = int(self.clock.time() * 1000) if timestamp_ms is None else timestamp_ms
        return self._topic(topic).logs[partition].append(key, value, stamp, headers)

    def records(self, topic: str) -> list[ConsumerRecord]:
        """Return what a reader of committed records can see of a topic: partition by partition, oldest first."""
        found: list[ConsumerRecord] = []
        for log in self._topic(topic).logs:
            batch = log.read(log.start, len(log.values))
            if batch is not None:
                found += [batch.record(i) for i in range(len(batch))]
        return found

    def compact(self, topic: str, *, drop_tombstones: bool = True) -> None:
        """Keep the last record of each key, as Kafka's log cleaner does in its own time."""
        for log in self._topic(topic).logs:
            log.compact(drop_tombstones=drop_tombstones)

    def truncate(self, tp: TopicPartition, before_offset: int) -> None:
        """Forget a partition's records below an offset, as retention and `DeleteRecords` do."""
        self._topic(tp.topic).logs[tp.partition].truncate(before_offset)

    def expire(self, topic: str) -> None:
        """Forget the records at the head of a topic that are older than its `retention.ms`."""
        retention_ms = int(self._topic(topic).config["retention.ms"])
        if retention_ms < 0:
            return
        limit = int(self.clock.time() * 1000) - retention_ms
        for log in self._topic(topic).logs:
            stable = log.stable_end
            kept = (o for o, t in zip(log.offsets, log.timestamps_ms, strict=True) if t >= limit or o >= stable)
            log.truncate(next(kept, stable))

    # -- groups and clients

    def group(self, group_id: str) -> Group:
        """Return a group; it is made when first asked for."""
        group = self._groups.get(group_id)
        if group is None:
            group = self._groups[group_id] = Group(group_id, self.clock, self.partition_counts)
        return group

    def has_group(self, group_id: str) -> bool:
        return group_id in self._groups

    def delete_group(self, group_id: str) -> None:
        self._groups.pop(group_id, None)

    def committed(self, group_id: str) -> Mapping[TopicPartition, int]:
        """Return a copy of a group's committed offsets."""
        return dict(self.group(group_id).offsets)

    def check_notes(self, offsets: Mapping[TopicPartition, NotedOffset]) -> None:
        """Make sure that the notes are not longer than `max_note_bytes`.

        Raises:
            NoteRefused: one is.
        """
        for tp, (offset, note) in offsets.items():
            if len(note.encode()) > self.max_note_bytes:
                raise NoteRefused(
                    f"{self.url} keeps no note of {len(note.encode())} bytes with the offset {offset} of {tp}: its "
                    f"max_note_bytes is {self.max_note_bytes}"
                )

    def end_session(self, client_id: str) -> None:
        """Remove a client from its groups as if its session had timed out; it learns so at once."""
        for member in [m for m in self.members if m.client_id == client_id]:
            member.expire()

    def kill(self, client_id: str) -> None:
        """End a client's transports as a killed process ends: see `MemoryTransport.kill`."""
        for transport in [t for t in self.transports if t.client_id == client_id]:
            transport.kill()

    # -- inside

    def _topic(self, name: str) -> Topic:
        try:
            return self.topics[name]
        except KeyError:
            raise TopicMissing(f"there is no topic {name!r} in {self.url}") from None

    def _topic_changed(self, name: str) -> None:
        for group in self._groups.values():
            group.topics_changed(name)
        for transport in self.transports:
            transport.topics_changed()

    def _connections_changed(self) -> None:
        for member in list(self.members):
            member.connection_changed()
